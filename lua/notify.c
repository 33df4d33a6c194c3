#include "lua/build.h"

#include <string.h>

/* notify: the nodes that stand as values of this key. */

#define NOTIFIES_MOST 20

struct notify_list {
    struct notify_plan **notifies;
    size_t *count;
};

static void build_notify(struct build *b, int index, const struct node *n, void *cookie)
{
    static const enum notify_kind kinds[] = {NOTIFY_GRAFANA, NOTIFY_KUBERNETES_EVENT, NOTIFY_SLACK,
                                             NOTIFY_WEBHOOK};
    struct notify_list *list = cookie;
    char label[64];
    node_label(n, label, sizeof(label));
    if (n->kind != NODE_NOTIFY) {
        errors_add(b->errors, n->source, ERROR_INPUT,
                   "%s cannot stand in notify; it takes notify.grafana, "
                   "notify.kubernetes_event, notify.slack or notify.webhook",
                   label);
        return;
    }
    if (!build_spend(b, 50))
        return;
    if (*list->count >= NOTIFIES_MOST) {
        errors_add(b->errors, n->source, ERROR_INPUT, "notify: more than %d of them",
                   NOTIFIES_MOST);
        return;
    }
    struct notify_plan *to = build_append(b, list->notifies, list->count, sizeof(*to));
    *to = (struct notify_plan){.source = n->source};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(n->word, notify_word(kinds[i])) == 0)
            to->kind = kinds[i];
    build_keys(b, index, &notify_table, label, to, NULL);
    node_push_table(b->L, index);
    if (values_positions(b->L, lua_gettop(b->L)) > 0)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s takes named keys only", label);
    lua_pop(b->L, 1);
}

void build_notifies(struct build *b, int index, const char *label, struct source source,
                    struct notify_plan **notifies, size_t *count)
{
    const struct node *n = node_at(b->L, index);
    struct notify_list list = {notifies, count};
    if (n != NULL && n->kind == NODE_NOTIFY)
        build_notify(b, index, n, &list);
    else if (n == NULL && lua_type(b->L, index) == LUA_TTABLE)
        build_positions(b, index, label, source, build_notify, &list);
    else if (n == NULL || n->kind != NODE_NOTHING)
        errors_add(b->errors, source, ERROR_INPUT,
                   "%s: notify must be a list of notify.slack { ... } and its like", label);
}

void build_add_notifies(struct build *b, struct scenario *s, const struct scenario *defaults)
{
    size_t count = s->notify_count + defaults->notify_count;
    if (count > NOTIFIES_MOST)
        errors_add(b->errors, s->source, ERROR_INPUT,
                   "notify: %zu with those of the suite; at most %d", count, NOTIFIES_MOST);
    if (defaults->notify_count == 0 || count > NOTIFIES_MOST || !build_spend(b, count))
        return;
    struct notify_plan *all = ARENA_ARRAY(&b->plan->arena, struct notify_plan, count);
    memcpy(all, defaults->notifies, defaults->notify_count * sizeof(*all));
    if (s->notify_count > 0)
        memcpy(all + defaults->notify_count, s->notifies, s->notify_count * sizeof(*all));
    s->notifies = all;
    s->notify_count = count;
}
