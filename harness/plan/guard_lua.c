#include "plan/guard_lua.h"

#include "plan/row.h"

/* Guards, probes and notify as a suite again. */

static const char *const probe_words[] = {"client", "grpc_health", "http", "promql", "tcp"};
static const char *const guard_words[] = {"limits", "stop", "window", "approval"};

static void print_probe(const struct probe_plan *p, struct text *to)
{
    char word[40];
    size_t count = 0;
    snprintf(word, sizeof(word), "probe.%s", probe_words[p->kind]);
    text_add(to, "%s { ", word);
    row_print(&probe_table, word, p, to, &count);
    text_add(to, " }");
}

static void print_text(const char *key, const char *value, size_t *count, struct text *to)
{
    if (value == NULL)
        return;
    text_add(to, "%s%s = ", (*count)++ == 0 ? "" : ", ", key);
    row_quote(to, value);
}

static void print_notify(const struct notify_plan *n, struct text *to)
{
    char word[40];
    size_t count = 0;
    snprintf(word, sizeof(word), "notify.%s", notify_word(n->kind));
    text_add(to, "%s { ", word);
    row_print(&notify_table, word, n, to, &count);
    text_add(to, " }");
}

static void print_guard(const struct guard_plan *g, struct text *to)
{
    char word[40];
    size_t count = 0;
    snprintf(word, sizeof(word), "guard.%s", guard_words[g->kind]);
    text_add(to, "%s { ", word);
    print_text("probe", g->probe, &count, to);
    if (g->kind == GUARD_STOP && g->probe == NULL) {
        count++;
        text_add(to, "probe = ");
        print_probe(&g->own, to);
    }
    print_text("endpoints", g->endpoints, &count, to);
    print_text("above", g->above, &count, to);
    print_text("below", g->below, &count, to);
    row_print(&guard_table, word, g, to, &count);
    text_add(to, " }");
}

void guards_print_lua(const struct scenario *s, struct text *to)
{
    if (s->probe_count > 0)
        text_add(to, "  probes = {\n");
    for (size_t i = 0; i < s->probe_count; i++) {
        text_add(to, "    [");
        row_quote(to, s->probes[i].name != NULL ? s->probes[i].name : "");
        text_add(to, "] = ");
        print_probe(&s->probes[i], to);
        text_add(to, ",\n");
    }
    text_add(to, "%s", s->probe_count > 0 ? "  },\n" : "");
    if (s->guard_count > 0)
        text_add(to, "  guard = {\n");
    for (size_t i = 0; i < s->guard_count; i++) {
        text_add(to, "    ");
        print_guard(&s->guards[i], to);
        text_add(to, ",\n");
    }
    text_add(to, "%s", s->guard_count > 0 ? "  },\n" : "");
    if (s->notify_count > 0)
        text_add(to, "  notify = {\n");
    for (size_t i = 0; i < s->notify_count; i++) {
        text_add(to, "    ");
        print_notify(&s->notifies[i], to);
        text_add(to, ",\n");
    }
    text_add(to, "%s", s->notify_count > 0 ? "  },\n" : "");
}
