#include "verify/window.h"

#include "base/clock.h"
#include "base/units.h"
#include "verify/retry_dead.h"

#include <stdlib.h>

#define STRICT_FLOOR 66
#define STARVED_PPM 500000
#define RECORDED_WITHIN_NS NS_PER_S
#define LAGGED_PPM 50000 /* of long lags of our own loops (spec/verifier.md 5.4) */

/* When the last record of what lies in the window was written: a try's when it ends, which may be
 * after the phase, and on a starved machine a while after that. */
static uint64_t records_end_ns(const struct window *w)
{
    uint64_t end_ns = w->wide.to_ns;
    for (uint32_t i = w->from; i < w->to; i++)
        if (w->track->requests[i].done_ns > end_ns)
            end_ns = w->track->requests[i].done_ns;
    return end_ns == UINT64_MAX ? end_ns : end_ns + RECORDED_WITHIN_NS;
}

static bool is_lost_of(const struct window *w, const struct lost_row *row)
{
    const struct journal_proc *p = journal_proc_of(w->journal, row->proc);
    return p == NULL || p->arm == NULL || strcmp(p->arm, w->track->arm) == 0;
}

uint64_t window_lost_between(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
    const struct journal *j = w->journal;
    uint64_t lost = 0, until_ns = to_ns > UINT64_MAX - RECORDED_WITHIN_NS
                                      ? UINT64_MAX
                                      : to_ns + RECORDED_WITHIN_NS;
    for (size_t i = 0; i < j->lost_count; i++)
        if (is_lost_of(w, &j->losts[i]) && j->losts[i].r.at < until_ns &&
            j->losts[i].r.to >= from_ns)
            lost += j->losts[i].r.count;
    return lost;
}

static void find_lost(struct window *w)
{
    const struct journal *j = w->journal;
    uint64_t written_ns = j->lost_count == 0 ? 0 : records_end_ns(w);
    w->lost = 0;
    w->agent_lost = false;
    for (size_t i = 0; i < j->lost_count; i++) {
        const struct lost_record *r = &j->losts[i].r;
        uint64_t until_ns = r->kind == RECORD_LOST ? w->wide.to_ns : written_ns;
        if (!is_lost_of(w, &j->losts[i]) || r->at >= until_ns || r->to < w->wide.from_ns)
            continue;
        w->lost += r->count;
        /* By the conductor: more than records was missing (engine/walk_fleet.c). */
        w->agent_lost = w->agent_lost || r->kind == RECORD_LOST;
    }
}

void window_cut(struct window *w)
{
    const struct track *t = w->track;
    bool part = w->asked != NULL && w->asked->has_on && w->asked->on.to.subset != NULL;
    w->subset = part && w->scenario != NULL ? &w->asked->on.to : NULL;
    w->match = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "match");
    w->grpc = w->policy != NULL && strcmp(window_protocol(w), "grpc") == 0;
    w->from = track_request_at(t, w->span.from_ns);
    w->to = track_request_at(t, w->span.to_ns);
    uint64_t end = w->span.to_ns < t->to_ns ? w->span.to_ns : t->to_ns;
    uint64_t length = track_active_ns(t, w->span.from_ns, end),
             tainted = spans_within(&t->taint, w->span.from_ns, end),
             gaps = spans_within(&t->gaps, w->span.from_ns, end);
    tainted -= gaps < tainted ? gaps : tainted;
    w->tainted_ppm = length == 0 ? 0 : (uint64_t)((double)tainted * 1e6 / (double)length);
    w->lagged_ppm = length == 0 ? 0
                                : (uint64_t)((double)spans_within(&t->lags, w->span.from_ns, end) *
                                             1e6 / (double)length);
    find_lost(w);
    retry_dead_find(w);
}

/* "b@v2": the last try was at an endpoint of the subset. */
bool window_answered_by(const struct window *w, const struct request *r)
{
    return r->last != TRACK_NONE &&
           plan_place_has(w->scenario, w->subset, w->track->tries[r->last].r->endpoint);
}

uint32_t window_retries(const struct request *r)
{
    uint32_t tries = window_tries(r);
    return tries > 1 ? tries - 1 : 0;
}

uint32_t window_tries_most(const struct request *r, uint32_t most)
{
    uint32_t tries = window_tries(r);
    /* These answers of the mesh's own may stand for tries that never reached us; one about a reset
     * or a timeout is explained by the try that we saw. */
    bool hidden = r->r->body_class == BODY_CONNECT_FAILURE || r->r->body_class == BODY_NO_HEALTHY ||
                  r->seen == 0;
    return hidden && tries < most ? most : tries;
}

struct failure window_failure(const struct try *x)
{
    const struct attempt_record *r = x->r;
    struct failure f = {.kind = FAILURE_NONE, .cause = CAUSE_STATUS, .status = r->status};
    if (x->well)
        return f;
    if (x->is_connection) {
        f.kind = FAILURE_CAUSE;
        f.cause = CAUSE_ACCEPT;
    } else if ((r->flags & ATTEMPT_RELEASED) != 0 || r->outcome == OUTCOME_ABANDONED ||
               x->late_read) {
        f.kind = FAILURE_UNKNOWN;
    } else if (x->out_ns == 0 || (x->left_ns != 0 && x->left_ns <= x->out_ns)) {
        f.kind = x->left_ns != 0 ? FAILURE_CAUSE : FAILURE_UNKNOWN;
        f.cause = CAUSE_HOLD;
    } else if (r->status == 0 && r->head_out == 0) {
        bool fin = r->outcome == OUTCOME_CLOSED_BY_FAULT || r->outcome == OUTCOME_UPSTREAM_CLOSED;
        f.kind = FAILURE_CAUSE;
        f.cause = fin ? CAUSE_FIN : CAUSE_RESET;
    } else if (r->outcome != OUTCOME_ANSWERED && r->outcome != OUTCOME_LEFT) {
        /* Bytes went out that have no status, as fault.malformed sends them: whether a mesh takes
         * them for an answer's head, or for none, is not known here. */
        f.kind = r->status == 0 ? FAILURE_UNKNOWN : FAILURE_STARTED;
    } else if (r->status >= 400 || r->grpc_status > 1) {
        f.kind = FAILURE_CAUSE;
        f.grpc = r->grpc_status > 1 ? r->grpc_status : 0;
        f.in_trailers = r->grpc_where == 2;
    }
    return f;
}

const char *failure_print(const struct failure *f, char *to, size_t size)
{
    static const char *const names[] = {
        [CAUSE_RESET] = "reset", [CAUSE_REFUSED] = "refuse", [CAUSE_ACCEPT] = "accept",
        [CAUSE_HOLD] = "hold",   [CAUSE_FIN] = "fin",
    };
    static const char *const streams[] = {
        [STREAM_REFUSED] = "stream", [STREAM_GOAWAY] = "goaway", [STREAM_RESET] = "rst_stream"};
    if (f->stream != STREAM_WHOLE)
        snprintf(to, size, "%s", streams[f->stream]);
    else if (f->grpc != 0)
        snprintf(to, size, "%s-%u", f->in_trailers ? "late" : "grpc", f->grpc - 1u);
    else if (f->cause == CAUSE_STATUS && f->status >= 100 && f->status <= 999 && size > 3)
        memcpy(to,
               (const char[]){(char)('0' + f->status / 100), (char)('0' + f->status / 10 % 10),
                              (char)('0' + f->status % 10), '\0'},
               4); /* of nearly every try */
    else if (f->cause == CAUSE_STATUS)
        snprintf(to, size, "%u", f->status);
    else
        snprintf(to, size, "%s", names[f->cause]);
    return to;
}

bool tag_parse(const char *tag, uint32_t *ret_fails, const char **ret_cause)
{
    const char *colon = strchr(tag, ':');
    if (colon == NULL)
        return false;
    struct bytes head = {(const uint8_t *)tag, (size_t)(colon - tag)};
    uint64_t fails = 0;
    if (!bytes_equal(head, BYTES("all"))) {
        if (head.len < 2 || head.at[0] != 'f' ||
            !bytes_to_u64((struct bytes){head.at + 1, head.len - 1}, &fails) || fails == 0 ||
            fails > UINT16_MAX)
            return false;
    }
    *ret_fails = (uint32_t)fails;
    *ret_cause = colon + 1;
    return true;
}

static const struct load_plan *loads_of(const struct window *w, size_t *ret_count)
{
    *ret_count = 0;
    if (w->scenario == NULL)
        return NULL;
    bool own = w->phase != NULL && w->phase->load_count > 0;
    *ret_count = own ? w->phase->load_count : w->scenario->load_count;
    return own ? w->phase->loads : w->scenario->loads;
}

size_t window_tags(const struct window *w)
{
    size_t count, tags = 0;
    const struct load_plan *loads = loads_of(w, &count);
    for (size_t i = 0; i < count; i++)
        tags += loads[i].tagged_count;
    return tags;
}

bool window_sends(const struct window *w, const char *cause)
{
    size_t count;
    const struct load_plan *loads = loads_of(w, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < loads[i].tagged_count; k++) {
            uint32_t fails;
            const char *of;
            if (tag_parse(loads[i].tagged[k].tag, &fails, &of) && strcmp(of, cause) == 0)
                return true;
        }
    return false;
}

const char *window_tag(const struct window *w, const struct request *r)
{
    return journal_name(w->journal, r->r->tag);
}

bool window_clean(const struct window *w, uint64_t a_ns, uint64_t b_ns)
{
    return !spans_hold(&w->track->taint, a_ns) && !spans_hold(&w->track->taint, b_ns);
}

uint64_t window_floor(const struct window *w, uint64_t usual)
{
    return window_enough(w, w->strict && usual < STRICT_FLOOR ? STRICT_FLOOR : usual);
}

uint64_t window_enough(const struct window *w, uint64_t usual)
{
    uint64_t floor = usual;
    const json_t *enough = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "enough");
    if (json_is_integer(enough) && (uint64_t)json_integer_value(enough) > floor)
        floor = (uint64_t)json_integer_value(enough);
    return floor;
}

const char *window_key(const struct window *w, const char *name)
{
    return w->asked == NULL ? NULL : json_string_value(json_object_get(w->asked->keys, name));
}

static const struct step *find_fault(const struct step *steps, size_t count, uint32_t number,
                                     const char *word)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (s->kind == STEP_FAULT &&
            (word != NULL ? strcmp(s->word, word) == 0 : s->fault == number))
            return s;
        const struct step *inner = find_fault(s->steps, s->step_count, number, word);
        if (inner != NULL)
            return inner;
    }
    return NULL;
}

const struct step *window_fault(const struct window *w, uint32_t number)
{
    if (w->scenario == NULL || number == 0)
        return NULL;
    const struct step *found =
        find_fault(w->scenario->steps, w->scenario->step_count, number, NULL);
    for (size_t i = 0; found == NULL && i < w->scenario->phase_count; i++)
        found = find_fault(w->scenario->phases[i].steps, w->scenario->phases[i].step_count, number,
                           NULL);
    return found;
}

bool window_has_fault(const struct window *w, const char *word)
{
    return w->phase != NULL && find_fault(w->phase->steps, w->phase->step_count, 0, word) != NULL;
}

void window_witness(struct verdict *v, const struct request *r, uint64_t t_ns)
{
    if (v->witness_ns != 0 && v->witness_ns <= t_ns)
        return;
    v->witness_ns = t_ns;
    if (r != NULL) {
        v->witness_hi = r->r->id_hi;
        v->witness_lo = r->r->id_lo;
    }
}

const char *window_when(const struct window *w, const struct verdict *v, struct arena *arena)
{
    if (v->witness_ns < w->span.from_ns)
        return "";
    char at[32];
    units_print_time(v->witness_ns - w->span.from_ns, at, sizeof(at));
    return arena_printf(arena, ", first at %s", at);
}

bool window_starved(const struct window *w, struct verdict *v, struct arena *arena)
{
    if (w->lagged_ppm > LAGGED_PPM) {
        verdict_open(v, WHY_STALLED, arena,
                     "our own loops stood still for more than 250 ms at once, %llu %% of the phase",
                     (unsigned long long)(w->lagged_ppm / 10000));
        v->needs = "a calmer machine, or a lower rate";
        return true;
    }
    if (w->tainted_ppm <= STARVED_PPM)
        return false;
    verdict_open(v, WHY_STALLED, arena, "the machine was starved: %llu %% of the phase",
                 (unsigned long long)(w->tainted_ppm / 10000));
    v->needs = "a calmer machine, or a lower rate";
    return true;
}

const char *window_protocol(const struct window *w)
{
    for (size_t i = 0; w->scenario != NULL && i < w->scenario->lab.service_count; i++) {
        const struct service_plan *service = &w->scenario->lab.services[i];
        if (strcmp(service->name, w->policy->to) == 0 && service->protocol != NULL)
            return service->protocol;
    }
    return "http1";
}
