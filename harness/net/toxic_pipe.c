#include "net/toxic_pipe.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define BANDWIDTH_STEP_NS (100 * NS_PER_MS) /* Toxiproxy's: long chunks go in such steps */
#define BANDWIDTH_STEP_MS 100
#define TIME_MOST_MS INT64_C(1000000000000)
#define SLICES_DEEP 32

struct chunk {
    struct chunk *next;
    uint64_t at_ns; /* when it came, or left the last latency */
    size_t from, len;
    uint8_t bytes[];
};

struct stage {
    struct toxic toxic; /* without its name */
    bool applies;       /* toxicity is drawn for each connection, and again with new values */
    bool closed;        /* its end went on */
    bool taken;         /* its first chunk is being worked on */
    bool hurry;         /* that chunk goes at once: the toxic has changed */
    bool waits;
    uint64_t due_ns; /* while it waits */
    struct chunk *first, *last;
    size_t count;
    enum toxic_end end; /* behind the last chunk */
    uint64_t passed;    /* limit_data */
    int64_t owed_ns;    /* bandwidth: what the line is still busy for */
    uint64_t since_ns;
    size_t piece;
    size_t cut[SLICES_DEEP]; /* slicer: ends of slices to come, the nearest last */
    size_t cuts, sliced;
};

struct toxic_pipe {
    enum side side;
    struct rng rng;
    struct toxic_sink sink;
    struct stage *stages; /* the last one is ours: it does nothing but wait for the sink */
    size_t count;
    size_t bytes; /* in all stages */
    bool shut;    /* a toxic closed it: nothing more is taken */
    enum toxic_end ended;
};

static uint64_t ns_of(int64_t value, uint64_t unit_ns)
{
    if (value <= 0)
        return 0;
    return (uint64_t)(value > TIME_MOST_MS ? TIME_MOST_MS : value) * unit_ns;
}

static void wait_until(struct stage *s, uint64_t at_ns)
{
    s->waits = true;
    s->due_ns = at_ns;
}

static void append(struct stage *s, struct chunk *c)
{
    c->next = NULL;
    if (s->last == NULL)
        s->first = c;
    else
        s->last->next = c;
    s->last = c;
    s->count++;
}

static struct chunk *detach(struct stage *s)
{
    struct chunk *c = s->first;
    s->first = c->next;
    if (s->first == NULL)
        s->last = NULL;
    s->count--;
    s->taken = s->hurry = s->waits = false;
    return c;
}

static void drop(struct toxic_pipe *p, struct stage *s)
{
    while (s->first != NULL) {
        struct chunk *c = detach(s);
        p->bytes -= c->len;
        free(c);
    }
}

static bool has_room(const struct toxic_pipe *p, size_t i)
{
    const struct stage *s = &p->stages[i];
    if (i == p->count)
        return p->sink.is_ready(p->sink.cookie);
    return s->count < (s->toxic.kind == TOXIC_LATENCY ? TOXIC_LATENCY_CHUNKS_MOST : 1);
}

static void put(struct toxic_pipe *p, size_t to, struct chunk *c)
{
    if (to < p->count) {
        append(&p->stages[to], c);
        return;
    }
    if (c->len > 0)
        p->sink.put(p->sink.cookie, (struct bytes){c->bytes + c->from, c->len});
    p->bytes -= c->len;
    free(c);
}

static struct chunk *chunk_of(struct bytes from, uint64_t at_ns)
{
    struct chunk *c = check_alloc(sizeof(*c) + from.len);
    *c = (struct chunk){.at_ns = at_ns, .len = from.len};
    if (from.len > 0)
        memcpy(c->bytes, from.at, from.len);
    return c;
}

/* The first ${len} bytes of the first chunk go on; the chunk stays while it has more. */
static void put_part(struct toxic_pipe *p, size_t i, size_t len)
{
    struct chunk *c = p->stages[i].first;
    if (len >= c->len) {
        put(p, i + 1, detach(&p->stages[i]));
        return;
    }
    struct chunk *part = chunk_of((struct bytes){c->bytes + c->from, len}, c->at_ns);
    c->from += len;
    c->len -= len;
    put(p, i + 1, part);
}

static void close_stage(struct toxic_pipe *p, size_t i, enum toxic_end how)
{
    size_t from = how == TOXIC_END_CLOSED || how == TOXIC_END_CUT ? 0 : i;
    for (size_t k = from; k <= i; k++) {
        drop(p, &p->stages[k]);
        p->stages[k].closed = true;
        p->stages[k].waits = false;
    }
    p->shut = true;
    if (i + 1 < p->count)
        p->stages[i + 1].end = how;
    else
        p->ended = how;
}

static bool pass_end(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    if (s->end == TOXIC_OPEN)
        return false;
    if (s->applies && s->toxic.kind == TOXIC_SLOW_CLOSE) {
        if (!s->waits)
            wait_until(s, now_ns + ns_of(s->toxic.value[0], NS_PER_MS));
        if (now_ns < s->due_ns)
            return false;
    }
    close_stage(p, i, s->end);
    return true;
}

static bool step_latency(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    struct chunk *c = s->first;
    if (!s->taken) {
        int64_t delay = s->toxic.value[0], jitter = s->toxic.value[1];
        if (jitter > TIME_MOST_MS)
            jitter = TIME_MOST_MS;
        if (delay > TIME_MOST_MS)
            delay = TIME_MOST_MS;
        if (delay < -TIME_MOST_MS)
            delay = -TIME_MOST_MS;
        if (jitter > 0)
            delay += (int64_t)rng_below(&p->rng, (uint64_t)jitter * 2) - jitter;
        s->taken = true;
        wait_until(s, c->at_ns + ns_of(delay, NS_PER_MS));
    }
    if (!s->hurry && now_ns < s->due_ns)
        return false;
    if (!s->hurry && c->at_ns < s->due_ns) /* a second latency counts from here */
        c->at_ns = s->due_ns;
    put_part(p, i, c->len);
    return true;
}

static void plan_piece(struct stage *s, uint64_t now_ns)
{
    uint64_t rate = (uint64_t)s->toxic.value[0];
    size_t most =
        rate > TOXIC_CHUNK_MOST_BYTES ? TOXIC_CHUNK_MOST_BYTES : (size_t)rate * BANDWIDTH_STEP_MS;
    s->since_ns = now_ns;
    s->piece = s->first->len < most ? s->first->len : most;
    if (s->piece < s->first->len)
        wait_until(s, now_ns + BANDWIDTH_STEP_NS);
    else
        wait_until(s, now_ns + (s->owed_ns > 0 ? (uint64_t)s->owed_ns : 0));
}

static bool step_bandwidth(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    int64_t rate = s->toxic.value[0];
    if (s->hurry) {
        put_part(p, i, s->first->len);
        return true;
    }
    if (!s->taken) {
        s->taken = true;
        if (rate <= 0) /* nothing goes through, ever */
            return false;
        s->owed_ns += (int64_t)(s->first->len * NS_PER_MS) / rate;
        plan_piece(s, now_ns);
    }
    if (rate <= 0 || now_ns < s->due_ns)
        return false;
    bool whole = s->piece >= s->first->len;
    s->owed_ns -= whole ? (int64_t)(now_ns - s->since_ns) : (int64_t)BANDWIDTH_STEP_NS;
    put_part(p, i, s->piece);
    if (!whole)
        plan_piece(s, now_ns);
    return true;
}

/* Halves until a part is within the average and its variation: Toxiproxy's way, so that sizes are
 * spread alike, but for parts of one byte, which it would halve for ever. */
static size_t next_slice(struct toxic_pipe *p, struct stage *s)
{
    int64_t average = s->toxic.value[0], vary = s->toxic.value[1];
    for (;;) {
        size_t start = s->sliced, end = s->cut[s->cuts - 1], len = end - start;
        if (len <= 1 || s->cuts == SLICES_DEEP || (int64_t)len - average <= vary) {
            s->cuts--;
            s->sliced = end;
            return len;
        }
        int64_t middle = (int64_t)(len / 2);
        if (vary > 0 && vary < INT32_MAX)
            middle += (int64_t)rng_below(&p->rng, (uint64_t)vary * 2) - vary;
        if (middle < 1)
            middle = 1;
        if (middle >= (int64_t)len)
            middle = (int64_t)len - 1;
        s->cut[s->cuts++] = start + (size_t)middle;
    }
}

static bool step_slicer(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    if (s->waits && now_ns < s->due_ns && !s->hurry) /* after each slice, the last one too */
        return false;
    if (s->hurry) {
        put_part(p, i, s->first->len);
        return true;
    }
    if (!s->taken) {
        s->taken = true;
        s->cut[0] = s->first->len;
        s->cuts = 1;
        s->sliced = 0;
    }
    put_part(p, i, next_slice(p, s));
    wait_until(s, now_ns + ns_of(s->toxic.value[2], 1000));
    return true;
}

static bool step_limit(struct toxic_pipe *p, size_t i)
{
    struct stage *s = &p->stages[i];
    uint64_t most = s->toxic.value[0] > 0 ? (uint64_t)s->toxic.value[0] : 0;
    uint64_t left = most > s->passed ? most - s->passed : 0;
    if (left > 0) {
        size_t len = s->first->len < left ? s->first->len : (size_t)left;
        s->passed += len;
        put_part(p, i, len);
    }
    if (s->passed >= most)
        close_stage(p, i, TOXIC_END_CLOSED);
    return true;
}

/* Each byte puts it off. */
static bool step_timeout(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    bool due = s->waits && now_ns >= s->due_ns, got = s->first != NULL;
    uint64_t after_ns = ns_of(s->toxic.value[0], NS_PER_MS);
    if (due || s->end != TOXIC_OPEN) {
        close_stage(p, i, s->end != TOXIC_OPEN ? s->end : TOXIC_END_CLOSED);
        return true;
    }
    drop(p, s);
    if (after_ns > 0 && (got || !s->waits))
        wait_until(s, now_ns + after_ns);
    return got;
}

static bool step_reset(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    if (s->first == NULL && s->end == TOXIC_OPEN)
        return false;
    if (!s->waits)
        wait_until(s, now_ns + ns_of(s->toxic.value[0], NS_PER_MS));
    if (now_ns < s->due_ns)
        return false;
    close_stage(p, i, TOXIC_END_CUT);
    return true;
}

static bool step(struct toxic_pipe *p, size_t i, uint64_t now_ns)
{
    struct stage *s = &p->stages[i];
    enum toxic_kind kind = s->applies ? s->toxic.kind : TOXIC_NOOP;
    if (s->closed)
        return false;
    if (kind == TOXIC_TIMEOUT)
        return step_timeout(p, i, now_ns);
    if (kind == TOXIC_RESET_PEER)
        return step_reset(p, i, now_ns);
    if (s->first == NULL && kind == TOXIC_SLICER && s->end != TOXIC_OPEN && s->waits &&
        now_ns < s->due_ns)
        return false;
    if (s->first == NULL)
        return pass_end(p, i, now_ns);
    if (!has_room(p, i + 1))
        return false;
    switch (kind) {
    case TOXIC_LATENCY:
        return step_latency(p, i, now_ns);
    case TOXIC_BANDWIDTH:
        return step_bandwidth(p, i, now_ns);
    case TOXIC_SLICER:
        return step_slicer(p, i, now_ns);
    case TOXIC_LIMIT_DATA:
        return step_limit(p, i);
    case TOXIC_NOOP:
    case TOXIC_SLOW_CLOSE:
        put_part(p, i, s->first->len);
        return true;
    case TOXIC_TIMEOUT:
    case TOXIC_RESET_PEER:
    case TOXIC_KINDS:
        break;
    }
    UNREACHABLE();
}

uint64_t toxic_pipe_run(struct toxic_pipe *p, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    bool moved;
    do {
        moved = false;
        for (size_t i = p->count; i-- > 0;)
            while (step(p, i, now_ns))
                moved = true;
    } while (moved);
    for (size_t i = 0; i < p->count; i++) {
        const struct stage *s = &p->stages[i];
        if (!s->closed && s->waits && s->due_ns > now_ns && s->due_ns < next_ns)
            next_ns = s->due_ns;
    }
    return next_ns;
}

bool toxic_pipe_takes(const struct toxic_pipe *p)
{
    return !p->shut && p->stages[0].end == TOXIC_OPEN && p->bytes < TOXIC_PIPE_MOST_BYTES &&
           has_room(p, 0);
}

void toxic_pipe_feed(struct toxic_pipe *p, struct bytes chunk, uint64_t now_ns)
{
    if (p->shut || chunk.len == 0)
        return;
    p->bytes += chunk.len;
    append(&p->stages[0], chunk_of(chunk, now_ns));
}

void toxic_pipe_end(struct toxic_pipe *p, enum toxic_end how)
{
    if (!p->shut && p->stages[0].end == TOXIC_OPEN)
        p->stages[0].end = how;
}

enum toxic_end toxic_pipe_ended(const struct toxic_pipe *p)
{
    return p->ended;
}

/* ${from} NULL: it is new; else it goes on, anew when its values are. */
static void fill_stage(struct toxic_pipe *p, struct stage *s, const struct stage *from,
                       const struct toxic *toxic, uint64_t now_ns)
{
    *s = from != NULL ? *from : (struct stage){0};
    if (from != NULL && from->toxic.version == toxic->version)
        return;
    s->toxic = *toxic;
    s->toxic.name = NULL;
    s->applies = rng_unit(&p->rng) < toxic->toxicity;
    s->hurry = s->taken;
    s->waits = false;
    s->owed_ns = 0;
    if (s->applies && toxic->kind == TOXIC_TIMEOUT && toxic->value[0] > 0 && !s->closed)
        wait_until(s, now_ns + ns_of(toxic->value[0], NS_PER_MS));
}

/* What ${gone} had kept goes to ${to}, the stage behind it. True: it is a toxic that closes. */
static bool hand_over(struct toxic_pipe *p, struct stage *gone, struct stage *to)
{
    bool acts = gone->applies && !gone->closed;
    enum toxic_end end = gone->closed ? TOXIC_OPEN : gone->end; /* else it has told */
    if (acts && gone->toxic.kind == TOXIC_TIMEOUT)
        end = TOXIC_END_CLOSED;
    else if (acts && gone->toxic.kind == TOXIC_RESET_PEER && gone->waits)
        end = TOXIC_END_CUT; /* bytes are lost already */
    bool closes = end == TOXIC_END_CLOSED || end == TOXIC_END_CUT;
    if (closes)
        drop(p, gone);
    while (gone->first != NULL)
        append(to, detach(gone));
    if (end != TOXIC_OPEN && to->end == TOXIC_OPEN)
        to->end = end;
    return closes;
}

static struct stage *old_stage(struct stage *stages, size_t count, uint32_t id)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (stages[i].toxic.id == id)
            return &stages[i];
    return NULL;
}

static void shut_before(struct toxic_pipe *p, struct stage *stages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        drop(p, &stages[i]);
        stages[i].closed = true;
        stages[i].waits = false;
    }
    p->shut = true;
}

/* ${place}: of an old stage, where it is now plus 1; 0: it went. The one nearest to the sink comes
 * first, so that bytes stay in order. */
static void settle_gone(struct toxic_pipe *p, struct stage *was, size_t was_count,
                        struct stage *now, const size_t *place)
{
    bool closed = false;
    for (size_t i = was_count; i-- > 0;) {
        size_t to = i;
        while (place[to] == 0)
            to++;
        if (to == i)
            continue;
        if (closed) {
            drop(p, &was[i]);
        } else if (hand_over(p, &was[i], &now[place[to] - 1])) {
            closed = true;
            shut_before(p, now, place[to] - 1);
        }
    }
}

void toxic_pipe_set(struct toxic_pipe *p, const struct toxic_list *list, uint64_t now_ns)
{
    struct stage *was = p->stages;
    size_t was_count = p->count, count = 0, most = list == NULL ? 0 : list->count;
    struct stage *now = check_alloc_zero(most + 1, sizeof(*now));
    size_t *place = check_alloc_zero(was_count + 1, sizeof(*place));
    for (size_t i = 0; i < most; i++) {
        if (list->at[i].side != p->side)
            continue;
        struct stage *old = old_stage(was, was_count, list->at[i].id);
        if (old != NULL)
            place[old - was] = count + 1;
        fill_stage(p, &now[count++], old, &list->at[i], now_ns);
    }
    if (was_count > 0) {
        now[count] = was[was_count - 1];
        place[was_count - 1] = count + 1;
    }
    /* an end that went past: those that are new have nothing to do any more */
    for (size_t i = 0; i < count; i++)
        if (now[count].closed || now[count].end != TOXIC_OPEN)
            now[i].closed = now[i].closed || old_stage(was, was_count, now[i].toxic.id) == NULL;
    settle_gone(p, was, was_count, now, place);
    p->stages = now;
    p->count = count + 1;
    free(place);
    free(was);
}

struct toxic_pipe *toxic_pipe_new(enum side side, const struct toxic_list *list, struct rng rng,
                                  struct toxic_sink sink, uint64_t now_ns)
{
    struct toxic_pipe *p = check_alloc_zero(1, sizeof(*p));
    p->side = side;
    p->rng = rng;
    p->sink = sink;
    toxic_pipe_set(p, list, now_ns);
    return p;
}

void toxic_pipe_free(struct toxic_pipe *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++)
        drop(p, &p->stages[i]);
    free(p->stages);
    free(p);
}
