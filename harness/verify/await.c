/* await.* (spec/scenario-language.md 1.7): what the conductor waited for came in time, or late. */
#include "plan/human.h"
#include "verify/claims.h"
#include "verify/window.h"

#include "base/clock.h"

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

/* What an await without a place is told by. */
static const char *named_by(const struct window *w)
{
    const char *fault = window_key(w, "fault"), *probe = window_key(w, "probe");
    return fault != NULL ? fault : probe != NULL ? probe : window_key(w, "ask");
}

/* The event of this await in the window's phase; NULL: the phase ended before it was reached. */
static const json_t *event_of(const struct window *w, uint64_t *ret_ns)
{
    const struct journal *j = w->journal;
    const char *word = w->asked->word;
    /* Of several awaits of one word: await.fired is told by its fault, the others by their place.
     */
    const char *of = w->asked->has_on ? w->asked->on.text : named_by(w);
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (strcmp(e->what, "await") != 0 || e->t_ns < w->span.from_ns || e->t_ns > w->span.to_ns)
            continue;
        bool ours = false;
        for (size_t p = 0; p < j->phase_count; p++)
            ours = ours ||
                   (j->phases[p].phase == e->phase && strcmp(j->phases[p].arm, w->track->arm) == 0);
        const char *named = json_string_value(json_object_get(e->json, "word"));
        const char *on = json_string_value(json_object_get(e->json, "on"));
        if (!ours || named == NULL || strcmp(named, word) != 0 ||
            (of != NULL && (on == NULL || strcmp(on, of) != 0)))
            continue;
        *ret_ns = e->t_ns;
        return e->json;
    }
    return NULL;
}

/* ", yes by bob at 14:02:11 UTC by meshproof answer": the newest answer to such a question until
 * ${t_ns}; "": it is no person who was waited for, or the journal does not say who it was. */
static const char *said_by(const struct window *w, const char *ask, uint64_t t_ns,
                           struct arena *arena)
{
    const struct journal *j = w->journal;
    const char *said = "";
    for (size_t i = 0; i < j->event_count && strcmp(w->asked->word, "human") == 0; i++) {
        const struct journal_event *answer = &j->events[i], *q = NULL;
        if (strcmp(answer->what, "answer") != 0 || answer->t_ns > t_ns)
            continue;
        for (size_t k = 0; k < i; k++)
            if (strcmp(j->events[k].what, "question") == 0 &&
                json_equal(json_object_get(j->events[k].json, "number"),
                           json_object_get(answer->json, "number")))
                q = &j->events[k];
        const char *asked = q == NULL ? NULL : json_string_value(json_object_get(q->json, "ask"));
        const char *who = json_string_value(json_object_get(answer->json, "who"));
        const char *channel = json_string_value(json_object_get(answer->json, "channel"));
        char when[HUMAN_WHEN_BYTES];
        human_print_when((uint64_t)json_integer_value(json_object_get(answer->json, "wall_ns")),
                         channel == NULL ? "" : channel, when);
        if (asked != NULL && ask != NULL && who != NULL && strcmp(asked, ask) == 0)
            said = arena_printf(arena, ", yes by %s at %s", who, when);
    }
    return said;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t t_ns = 0;
    const json_t *event = event_of(w, &t_ns);
    const char *late = window_key(w, "late"), *within = window_key(w, "within");
    const char *named = named_by(w);
    const char *on = w->asked->has_on ? w->asked->on.text : named != NULL ? named : "it";
    char span[32];
    verdict_policy(ret, NULL, arena, "%s within %s", w->asked->word,
                   within == NULL ? "its time" : within);
    bool met = event != NULL && json_is_true(json_object_get(event, "met"));
    bool goes_on = late != NULL && strcmp(late, "go_on") == 0;
    /* Linkerd's balancer starves a healthy host for long: that it had no tries is no evidence
     * (2.3), and what waited for it goes on. */
    if (!met && goes_on && edge->flavour == FLAVOUR_LINKERD && w->scenario != NULL &&
        w->scenario->from_policy) {
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = "a host without tries says nothing of Linkerd";
        return;
    }
    if (event == NULL) {
        verdict_open(ret, WHY_NOT_ENDED, arena, "the phase ended before this was waited for");
        ret->needs = "the awaits before it to be met";
        return;
    }
    verdict_span((uint64_t)json_integer_value(json_object_get(event, "after_ns")), span,
                 sizeof(span));
    if (met) {
        verdict_pass(ret, arena, "after %s%s", span, said_by(w, window_key(w, "ask"), t_ns, arena));
        return;
    }
    window_witness(ret, NULL, t_ns);
    const char *seen = strcmp(w->asked->word, "human") == 0
                           ? arena_printf(arena, "nobody said yes to \"%s\" within %s", on, span)
                           : arena_printf(arena, "%s not %s within %s", on, w->asked->word, span);
    if (late == NULL || strcmp(late, "fail") == 0)
        verdict_fail(ret, arena, "%s", seen);
    else {
        verdict_open(ret, WHY_EXPIRED, arena, "%s", seen);
        ret->needs = "what the phase's other claims say";
    }
}

#define AWAIT(name, help_) \
    const struct claim_type claim_await_##name = { \
        .id = "await." #name, \
        .word = #name, \
        .only = #name, \
        .help = help_, \
        .class = CLAIM_DETERMINISTIC, \
        .applies = applies, \
        .judge = judge, \
    };
AWAIT(cert, "a place serves or trusts a root in time")
AWAIT(ejected, "an endpoint goes out in time")
AWAIT(readmitted, "an endpoint comes back in time")
AWAIT(steady, "the service is steady again in time")
AWAIT(fired, "a fault fires in time")
AWAIT(requests, "so many requests are done in time")
AWAIT(probe, "a probe enters a range in time")
AWAIT(human, "a person says go on in time")
