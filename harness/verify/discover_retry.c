/* How often a failure is tried again, and which: requests all of whose tries get the same answer.
 */
#include "verify/discover.h"

#include "base/clock.h"

#include <string.h>

#define TRIES_MOST 64
#define LEAST 3
#define CAUSES_MOST 32

struct probed {
    const char *cause; /* "503", "reset" */
    enum cause kind;
    uint32_t status;
    uint64_t requests, retried, tries[TRIES_MOST];
};
struct causes {
    struct probed at[CAUSES_MOST];
    size_t count;
};

static struct probed *cause_of(struct causes *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->at[i].cause, name) == 0)
            return &c->at[i];
    if (c->count == CAUSES_MOST)
        return NULL;
    uint64_t status = 0;
    bool number = bytes_to_u64(bytes_of(name), &status);
    struct probed *p = &c->at[c->count++];
    *p = (struct probed){
        .cause = name, .kind = number ? CAUSE_STATUS : CAUSE_RESET, .status = (uint32_t)status};
    return p;
}

/* Every try got its failure, and the caller the last of them: no other thing ended it. */
static bool is_plain(const struct discovering *g, const struct request *r)
{
    for (const struct try *x = window_first(&g->window, r); x != NULL;
         x = window_after(&g->window, x))
        if (x->late_read || x->left_ns != 0 || x->r->fired == 0)
            return false;
    return r->seen > 0 && r->r->body_class != BODY_NO_HEALTHY && r->r->end != END_CLIENT_TIMEOUT &&
           (r->n_mesh == 0 || r->n_mesh == r->seen) && r->refused == 0;
}

static void collect(struct discovering *g, struct causes *ret)
{
    struct span span;
    *ret = (struct causes){0};
    if (!discover_span(g, "answers", &span))
        return;
    const struct track *t = g->track;
    for (uint32_t i = track_request_at(t, span.from_ns); i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        const char *cause;
        uint32_t fails;
        if (r->start_ns >= span.to_ns)
            break;
        if (!tag_parse(window_tag(&g->window, r), &fails, &cause) || !is_plain(g, r))
            continue;
        struct probed *p = cause_of(ret, cause);
        if (p == NULL)
            continue;
        p->requests++;
        p->retried += r->seen > 1;
        p->tries[r->seen < TRIES_MOST ? r->seen : TRIES_MOST - 1]++;
    }
}

/* Nearly always, nearly never, or neither. */
enum often { NEVER, SOMETIMES, ALWAYS, UNTOLD };
static enum often often(const struct probed *p)
{
    if (p->requests < LEAST)
        return UNTOLD;
    if (p->retried * 10 >= p->requests * 9)
        return ALWAYS;
    return p->retried * 10 <= p->requests ? NEVER : SOMETIMES;
}

static bool is_declared(const struct edge_policy *edge, const struct probed *p)
{
    return edge->retry.attempts.number > 0 && retry_rule_covers(edge, p->kind, p->status);
}

/* Some retries are declared, and none of them after what was sent: of connections that failed, say.
 */
static bool asks_for_others_only(const struct discovering *g, const struct causes *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (is_declared(&g->d->declared, &c->at[i]))
            return false;
    return g->d->declared.retry.attempts.number > 0;
}

static void attempts(struct discovering *g, const struct causes *c)
{
    uint64_t by_tries[TRIES_MOST] = {0}, total = 0, best = 0, plain = 0;
    struct discovered *row =
        discover_row(g, "retry.attempts", DISCOVER_COUNT, &g->d->declared.retry.attempts);
    for (size_t i = 0; i < c->count; i++) {
        plain += c->at[i].requests;
        for (size_t n = 2; n < TRIES_MOST && often(&c->at[i]) != NEVER; n++) {
            by_tries[n] += c->at[i].tries[n];
            total += c->at[i].tries[n];
        }
    }
    for (size_t n = 2; n < TRIES_MOST; n++)
        best = by_tries[n] > by_tries[best] ? n : best;
    row->instances = total > 0 ? total : plain;
    row->agree = total > 0 ? by_tries[best] : plain;
    row->known = row->instances >= LEAST && row->agree * 10 >= row->instances * 9;
    row->best = row->least = row->most = total > 0 ? best - 1 : 0;
    row->how = discover_share(g, row->agree, row->instances,
                              total > 0 ? "retried requests" : "requests, none retried");
    if (row->known && total == 0 && asks_for_others_only(g, c)) {
        row->known = false;
        row->verdict = DISCOVER_OPEN;
        row->how = arena_printf(&g->d->arena,
                                "%llu requests, none retried; what the policy retries was not sent",
                                (unsigned long long)plain);
    }
    if (!row->known)
        return;
    g->d->found.retry.attempts = (struct value){.number = row->best, .set = true, .origin = "seen"};
    row->verdict = !g->d->declared.retry.attempts.set                  ? DISCOVER_ALONE
                   : row->best == g->d->declared.retry.attempts.number ? DISCOVER_SAME
                                                                       : DISCOVER_DIFFERS;
}

static const char *join(struct arena *arena, const char *to, const char *word)
{
    return arena_printf(arena, "%s%s%s", to, to[0] == '\0' ? "" : " ", word);
}

/* Into words of a policy: all of 500 to 504 and a reset are `5xx`. */
static void write_conditions(struct discovering *g, const struct causes *c)
{
    struct retry_rule *rule = &g->d->found.retry;
    uint32_t server = 0;
    bool reset = false;
    for (size_t i = 0; i < c->count; i++) {
        const struct probed *p = &c->at[i];
        if (often(p) != ALWAYS)
            continue;
        if (p->kind == CAUSE_STATUS) {
            status_set_add(&rule->codes, p->status);
            server += p->status >= 500;
        } else {
            reset = true;
        }
    }
    rule->on = (status_set_any(&rule->codes) ? RETRY_STATUS_CODES : 0U) |
               (reset ? RETRY_RESET : 0U) | (server == 5 && reset ? RETRY_5XX : 0U);
    rule->conditions = (struct value){.set = true, .origin = "seen"};
}

static void conditions(struct discovering *g, const struct causes *c)
{
    struct arena *arena = &g->d->arena;
    const struct edge_policy *edge = &g->d->declared;
    const char *retried = "", *declared = "", *more = "", *fewer = "", *open = "";
    struct discovered *row = discover_row(g, "retry.conditions", DISCOVER_WORD, NULL);
    for (size_t i = 0; i < c->count; i++) {
        const struct probed *p = &c->at[i];
        enum often seen = often(p);
        bool asked = is_declared(edge, p);
        row->instances += p->requests;
        retried = seen == ALWAYS ? join(arena, retried, p->cause) : retried;
        declared = asked ? join(arena, declared, p->cause) : declared;
        more = seen == ALWAYS && !asked ? join(arena, more, p->cause) : more;
        fewer = seen == NEVER && asked ? join(arena, fewer, p->cause) : fewer;
        open = seen == SOMETIMES || seen == UNTOLD ? join(arena, open, p->cause) : open;
    }
    row->known = c->count > 0;
    row->word = retried[0] == '\0' ? "none" : retried;
    row->declared = declared[0] == '\0' ? "none" : declared;
    row->mark = edge->retry.conditions;
    row->how = arena_printf(arena, "%llu requests of %zu causes%s%s%s%s%s%s",
                            (unsigned long long)row->instances, c->count,
                            more[0] == '\0' ? "" : "; retried, not declared: ", more,
                            fewer[0] == '\0' ? "" : "; declared, not retried: ", fewer,
                            open[0] == '\0' ? "" : "; not told: ", open);
    row->verdict = more[0] != '\0' || fewer[0] != '\0' ? DISCOVER_DIFFERS
                   : open[0] != '\0' || !row->known    ? DISCOVER_OPEN
                                                       : DISCOVER_SAME;
    if (row->known)
        write_conditions(g, c);
}

void discover_retry(struct discovering *g)
{
    struct causes c;
    collect(g, &c);
    attempts(g, &c);
    conditions(g, &c);
}
