#include "net/hold_heap.h"

#include <stdlib.h>

void hold_heap_release(struct hold_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->nodes[i].hold->place = 0;
    free(heap->nodes);
    *heap = (struct hold_heap){0};
}

static void put(struct hold_heap *heap, size_t i, struct hold_node node)
{
    heap->nodes[i] = node;
    node.hold->place = i + 1;
}

static void sift_up(struct hold_heap *heap, size_t i, struct hold_node node)
{
    while (i > 0) {
        size_t parent = (i - 1) / 4;
        if (heap->nodes[parent].at_ns <= node.at_ns)
            break;
        put(heap, i, heap->nodes[parent]);
        i = parent;
    }
    put(heap, i, node);
}

static void sift_down(struct hold_heap *heap, size_t i, struct hold_node node)
{
    for (;;) {
        size_t first = i * 4 + 1, least = first;
        if (first >= heap->count)
            break;
        size_t end = first + 4 < heap->count ? first + 4 : heap->count;
        for (size_t c = first + 1; c < end; c++) {
            if (heap->nodes[c].at_ns < heap->nodes[least].at_ns)
                least = c;
        }
        if (heap->nodes[least].at_ns >= node.at_ns)
            break;
        put(heap, i, heap->nodes[least]);
        i = least;
    }
    put(heap, i, node);
}

void hold_heap_add(struct hold_heap *heap, struct hold *h)
{
    INVARIANT(hold_is_idle(h));
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 64 : heap->capacity * 2;
        heap->nodes = check_realloc(heap->nodes, heap->capacity * sizeof(*heap->nodes));
    }
    heap->count++;
    sift_up(heap, heap->count - 1, (struct hold_node){h->at_ns, h});
}

void hold_heap_remove(struct hold_heap *heap, struct hold *h)
{
    if (hold_is_idle(h))
        return;
    size_t i = h->place - 1;
    INVARIANT(i < heap->count && heap->nodes[i].hold == h);
    h->place = 0;
    heap->count--;
    if (i == heap->count)
        return;
    struct hold_node last = heap->nodes[heap->count];
    if (i > 0 && last.at_ns < heap->nodes[(i - 1) / 4].at_ns)
        sift_up(heap, i, last);
    else
        sift_down(heap, i, last);
}
