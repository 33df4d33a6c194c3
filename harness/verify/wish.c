#include "verify/wish.h"

#include "base/units.h"
#include "verify/amplify.h"
#include "verify/timeout.h"

#define PPM 1000000

/* "2 (k8s/payments-vs.yaml:14)", or the origin where it has no line. */
static bool looser(const struct step *s, const char *wish, const char *declared,
                   const struct value *value, struct error *err)
{
    char mark[200];
    bool known = value != NULL && source_format(value->source, false, mark, sizeof(mark)) > 0;
    if (!known && value != NULL && value->origin != NULL)
        snprintf(mark, sizeof(mark), "%.190s", value->origin);
    bool marked = known || (value != NULL && value->origin != NULL);
    return error_at(err, s->source, ERROR_INPUT,
                    "expect.%s: atmost is %s, looser than the policy's %s%s%s%s; leave it out",
                    s->word, wish, declared, marked ? " (" : "", marked ? mark : "",
                    marked ? ")" : "");
}

static bool ungoverned(const struct step *s, const char *what, struct error *err)
{
    return error_at(err, s->source, ERROR_INPUT,
                    "expect.%s: atmost is set, but no policy says anything about %s on this edge: "
                    "run meshproof explain --on \"%s\"",
                    s->word, what, s->has_on ? s->on.text : "");
}

static bool only_is(const struct step *s, const char *part)
{
    const json_t *only = json_object_get(s->keys, "only");
    const char *one = json_is_array(only) && json_array_size(only) == 1
                          ? json_string_value(json_array_get(only, 0))
                          : json_string_value(only);
    return one != NULL && strcmp(one, part) == 0;
}

static bool check_retries(const struct step *s, const struct edge_policy *edge, struct error *err)
{
    char wish[24], declared[24];
    const json_t *atmost = json_object_get(s->keys, "atmost");
    const struct value *attempts = &edge->retry.attempts;
    if (!attempts->set)
        return ungoverned(s, "retries", err);
    if ((uint64_t)json_integer_value(atmost) <= attempts->number)
        return true;
    snprintf(wish, sizeof(wish), "%lld", (long long)json_integer_value(atmost));
    snprintf(declared, sizeof(declared), "%llu", (unsigned long long)attempts->number);
    return looser(s, wish, declared, attempts, err);
}

static bool check_timeout(const struct step *s, const struct edge_policy *edge, struct error *err)
{
    char declared[32];
    uint64_t wish_ns = 0;
    const char *wish = json_string_value(json_object_get(s->keys, "atmost"));
    bool tries = only_is(s, "per_try");
    const struct value *value = tries ? &edge->retry.per_try_timeout : &edge->request_timeout;
    uint64_t policy_ns = tries ? timeout_try_ns(edge) : timeout_request_ns(edge);
    if (only_is(s, "none") || only_is(s, "connect"))
        return error_at(err, s->source, ERROR_INPUT,
                        "expect.timeout: atmost bounds a try or a request: only must be per_try or "
                        "request");
    if (policy_ns == 0)
        return ungoverned(s, tries ? "the timeout of a try" : "the timeout of a request", err);
    if (!units_parse_duration(wish, &wish_ns, err))
        return false;
    units_print_duration(policy_ns, declared, sizeof(declared));
    return wish_ns <= policy_ns || looser(s, wish, declared, value, err);
}

static bool check_budget(const struct step *s, const struct edge_policy *edge, struct error *err)
{
    char declared[32];
    uint64_t wish_ppm = 0;
    const struct value *ratio = &edge->budget.ratio_ppm;
    const char *wish = json_string_value(json_object_get(s->keys, "atmost"));
    if (!ratio->set)
        return ungoverned(s, "a retry budget", err);
    if (!units_parse_share(wish, &wish_ppm, err))
        return false;
    snprintf(declared, sizeof(declared), "%g%%", (double)ratio->number * 100 / PPM);
    return wish_ppm <= ratio->number || looser(s, wish, declared, ratio, err);
}

static bool check_amplification(const struct scenario *all, const struct step *s,
                                const struct edge_policy *edge, const struct edge_policy *edges,
                                size_t count, struct error *err)
{
    char wish[32], declared[32];
    double atmost = json_number_value(json_object_get(s->keys, "atmost"));
    uint64_t most = amplify_most(all, edges, count, edge->to, amplify_layers(s));
    if (!edge->retry.attempts.set)
        return ungoverned(s, "retries", err);
    if (atmost <= (double)most)
        return true;
    snprintf(wish, sizeof(wish), "%g", atmost);
    snprintf(declared, sizeof(declared), "%llu", (unsigned long long)most);
    return looser(s, wish, declared, &edge->retry.attempts, err);
}

/* The policy of the edge, or of any edge to the service. */
static const struct edge_policy *edge_of(const struct step *s, const struct edge_policy *edges,
                                         size_t count)
{
    for (int loose = 0; loose < 2; loose++)
        for (size_t i = 0; i < count; i++)
            if (s->on.to.service != NULL && strcmp(edges[i].to, s->on.to.service) == 0 &&
                (loose == 1 || s->on.from.service == NULL ||
                 strcmp(edges[i].from, s->on.from.service) == 0))
                return &edges[i];
    return NULL;
}

static bool check_one(const struct scenario *all, const struct step *s,
                      const struct edge_policy *edges, size_t count, struct error *err)
{
    const struct edge_policy *edge = edge_of(s, edges, count);
    if (json_object_get(s->keys, "atmost") == NULL || edge == NULL)
        return true;
    if (strcmp(s->word, "retries") == 0)
        return check_retries(s, edge, err);
    if (strcmp(s->word, "timeout") == 0)
        return check_timeout(s, edge, err);
    if (strcmp(s->word, "budget") == 0)
        return check_budget(s, edge, err);
    if (strcmp(s->word, "amplification") == 0)
        return check_amplification(all, s, edge, edges, count, err);
    return true;
}

static bool check_steps_of(const struct scenario *all, const struct step *steps, size_t step_count,
                           const struct edge_policy *edges, size_t count, struct error *err)
{
    for (size_t i = 0; i < step_count; i++) {
        const struct step *s = &steps[i];
        if (s->kind == STEP_EXPECT && !check_one(all, s, edges, count, err))
            return false;
        if (!check_steps_of(all, s->steps, s->step_count, edges, count, err))
            return false;
    }
    return true;
}

bool wishes_check(const struct scenario *s, const struct edge_policy *edges, size_t count,
                  struct error *err)
{
    if (!check_steps_of(s, s->steps, s->step_count, edges, count, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++)
        if (!check_steps_of(s, s->phases[i].steps, s->phases[i].step_count, edges, count, err))
            return false;
    return true;
}

static uint64_t wish_ns(const struct window *w, bool of_tries)
{
    uint64_t ns = 0;
    struct error err = {0};
    const char *text = window_key(w, "atmost");
    if (text == NULL || only_is(w->asked, "per_try") != of_tries ||
        !units_parse_duration(text, &ns, &err))
        return 0;
    return ns;
}

uint64_t wish_of_try_ns(const struct window *w)
{
    return wish_ns(w, true);
}

uint64_t wish_of_request_ns(const struct window *w)
{
    return wish_ns(w, false);
}

bool wish_add(struct wish_times *times, const struct request *r, uint64_t took_ns)
{
    struct wish_group *group = &times->groups[r->background];
    bool over = took_ns > timeout_request_late_ns(times->wish_ns);
    group->count++;
    group->over += over;
    extent_add(&times->extent, took_ns);
    return over;
}

/* The worse of both groups' tests, each at half of the level. */
static struct late test(const struct window *w, const struct wish_times *times)
{
    struct window half = *w;
    struct late worst = {.verdict = LATE_PASS, .tail = 1};
    half.alpha = w->alpha / 2;
    for (size_t i = 0; i < COUNT_OF(times->groups); i++) {
        const struct wish_group *g = &times->groups[i];
        if (g->over == 0)
            continue;
        struct late late = window_late(&half, g->over, g->count,
                                       timeout_request_late_ns(times->wish_ns) - times->wish_ns);
        if (late.verdict > worst.verdict || late.tail < worst.tail)
            worst = late;
    }
    return worst;
}

void wish_decide(const struct window *w, const struct wish_times *times, const char *unit,
                 struct arena *arena, struct verdict *v)
{
    char wish[32], most[32];
    uint64_t count = times->groups[0].count + times->groups[1].count,
             over = times->groups[0].over + times->groups[1].over;
    if (times->wish_ns == 0 || count == 0 || v->kind == VERDICT_FAIL || v->why == WHY_STALLED)
        return;
    struct late late = test(w, times);
    verdict_span(times->wish_ns, wish, sizeof(wish));
    verdict_span(times->extent.most, most, sizeof(most));
    if (late.verdict == LATE_FAIL) {
        verdict_fail(v, arena, "%llu of %llu %s longer, up to %s; wish: at most %s",
                     (unsigned long long)over, (unsigned long long)count, unit, most, wish);
        v->wrong = over;
        v->certain = arena_printf(arena, "by this machine's own delays %.1g (class T)", late.tail);
    } else if (late.verdict == LATE_UNDECIDED && v->kind == VERDICT_PASS) {
        window_undecided(w, v, arena, &late, over, count, unit);
    } else if (v->kind == VERDICT_PASS) {
        v->text = arena_printf(arena, "%s; wish: at most %s, longest %s", v->text, wish, most);
    }
}
