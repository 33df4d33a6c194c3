/* The report's lists: what each phase held, and what each fault did. */
#include "plan/fault_words.h"
#include "verify/hearing.h"

#define FAULT_TEXT_BYTES 4096

static const struct journal_phase *part_of(const struct hearing *h, uint32_t scenario,
                                           const struct phase *phase, uint32_t again, size_t part)
{
    return hearing_part(h, scenario, hearing_subject(h, scenario), phase, again, part);
}

/* The process is of the phase's own arm, and of no control. */
static bool is_of(const struct hearing *h, const struct judged_phase *p,
                  const struct journal_proc *proc)
{
    return proc != NULL && proc->arm != NULL &&
           strcmp(proc->arm, hearing_subject(h, p->scenario)) == 0;
}

static uint32_t count_blocks(const struct journal *j, const struct journal_phase *run)
{
    uint32_t count = 0;
    for (size_t i = 0; i < j->event_count; i++)
        count += j->events[i].phase == run->phase && strcmp(j->events[i].what, "block.begin") == 0;
    return count;
}

static void add_phase(struct hearing *h, uint32_t scenario, uint32_t ordinal,
                      const struct phase *phase, uint32_t again, size_t part)
{
    struct judgement *g = h->g;
    const struct journal_phase *run = part_of(h, scenario, phase, again, part);
    struct judged_phase *p = &g->phases[g->phase_count++];
    *p = (struct judged_phase){
        .scenario = scenario,
        .ordinal = ordinal,
        .again = again,
        .part = (uint32_t)part,
        .name = run->name,
        .why = run->why,
        .t0_ns = run->t0_ns,
        .t1_ns = run->t1_ns,
    };
    uint64_t tainted = 0, active = hearing_own_ns(h, run);
    for (size_t i = 0; i < h->track_count; i++) {
        const struct track *t = h->tracks[i].track;
        if (h->tracks[i].scenario != scenario || !arm_is_subject(t->arm))
            continue;
        uint32_t from = track_request_at(t, run->t0_ns), to = track_request_at(t, run->t1_ns);
        p->requests += to - from;
        for (uint32_t k = from; k < to; k++)
            p->warmup += (t->requests[k].r->flags & REQUEST_WARMUP) != 0;
        p->tries += track_try_at(t, run->t1_ns) - track_try_at(t, run->t0_ns);
        uint64_t in = spans_within(&t->taint, run->t0_ns, run->t1_ns),
                 gaps = spans_within(&t->gaps, run->t0_ns, run->t1_ns);
        in -= gaps < in ? gaps : in;
        tainted = in > tainted ? in : tainted;
    }
    p->active_ns = active;
    p->blocks = count_blocks(h->journal, run);
    p->tainted_ppm = active == 0 ? 0 : (uint64_t)((double)tainted * 1e6 / (double)active);
}

/* What the conductor told of this fault when it armed it, last before the phase's end; NULL: it
 * did not. */
static const json_t *told_of(const struct hearing *h, const struct step *s,
                             const struct judged_phase *p)
{
    const struct journal *j = h->journal;
    const char *arm = hearing_subject(h, p->scenario);
    const json_t *found = NULL;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (strcmp(e->what, "fault_armed") != 0 || e->t_ns > p->t1_ns ||
            json_integer_value(json_object_get(e->json, "fault")) != s->fault)
            continue;
        for (size_t k = 0; k < j->phase_count; k++)
            if (j->phases[k].phase == e->phase && j->phases[k].scenario == p->scenario &&
                strcmp(j->phases[k].arm, arm) == 0)
                found = e->json;
    }
    return found;
}

/* Journals whose conductor told nothing. */
static const char *plain_text(struct hearing *h, const struct step *s)
{
    static const char *const keys[] = {"what", "status", "add", "kind", "when", "grpc"};
    const char *text = arena_strdup(&h->g->arena, s->word);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const json_t *value = json_object_get(s->keys, keys[i]);
        if (json_is_integer(value))
            text =
                arena_printf(&h->g->arena, "%s %lld", text, (long long)json_integer_value(value));
        else if (json_is_string(value))
            text = arena_printf(&h->g->arena, "%s %s", text, json_string_value(value));
    }
    return text;
}

static const char *fault_text(struct hearing *h, const struct step *s, const json_t *told)
{
    const char *text = json_string_value(json_object_get(told, "text"));
    struct text whole;
    text_init(&whole, FAULT_TEXT_BYTES);
    text_add(&whole, "%s", text == NULL ? plain_text(h, s) : text);
    fault_words_match(s->keys, &whole);
    text = arena_strdup(&h->g->arena, text_get(&whole));
    text_release(&whole);
    return text;
}

/* Fewer endpoints than the place has were drawn, and the place does not say which. */
static bool is_drawn(const struct hearing *h, uint32_t scenario, const struct step *s,
                     const json_t *numbers)
{
    const struct lab_plan *lab = &h->plan->scenarios[scenario].lab;
    size_t count = json_array_size(numbers);
    if (count == 0 || s->on.to.service == NULL)
        return false;
    if (strstr(s->on.text, "/any") != NULL)
        return true;
    for (size_t i = 0; i < lab->service_count; i++)
        if (strcmp(lab->services[i].name, s->on.to.service) == 0)
            return count < lab->services[i].endpoints && strchr(s->on.text, '/') == NULL;
    return false;
}

/* "payments/1, /2 (drawn for payments)". */
static const char *drawn_for(struct hearing *h, uint32_t scenario, const struct step *s,
                             const json_t *told)
{
    const json_t *numbers = json_object_get(told, "endpoints"), *number;
    const char *list = "";
    size_t i;
    if (!s->has_on)
        return "";
    if (!is_drawn(h, scenario, s, numbers))
        return arena_strdup(&h->g->arena, s->on.text);
    json_array_foreach(numbers, i, number)
    {
        list = arena_printf(&h->g->arena, "%s%s%s/%lld", list, i == 0 ? "" : ", ",
                            i == 0 ? s->on.to.service : "", (long long)json_integer_value(number));
    }
    return arena_printf(&h->g->arena, "%s (drawn for %s)", list, s->on.text);
}

static const char *fault_where(struct hearing *h, uint32_t scenario, const struct step *s,
                               const json_t *told)
{
    const char *where = drawn_for(h, scenario, s, told);
    struct text share;
    text_init(&share, FAULT_TEXT_BYTES);
    fault_words_share(s->keys, &share);
    where = arena_printf(&h->g->arena, "%s%s", where, text_get(&share));
    text_release(&share);
    return where;
}

static bool place_has(const struct hearing *h, uint32_t scenario, const struct step *s,
                      uint32_t endpoint)
{
    return plan_place_has(&h->plan->scenarios[scenario], &s->on.to, endpoint);
}

/* Tries [from, end) at the step's place. */
static uint64_t tries_at(const struct hearing *h, uint32_t scenario, const struct step *s,
                         const struct track *t, uint32_t from, uint32_t end)
{
    uint64_t sum = 0;
    if (s->on.to.endpoint == 0 && s->on.to.subset == NULL)
        return end > from ? end - from : 0;
    for (uint32_t host = 0; host < t->host_count; host++)
        if (place_has(h, scenario, s, host + 1))
            sum += track_host_tries(t, host, from, end);
    return sum;
}

/* A refused endpoint has no tries to count: its firings are the times that its listener went down.
 */
static void count_refused(struct hearing *h, const struct step *s, const struct judged_phase *p,
                          struct judged_fault *f)
{
    const struct journal *j = h->journal;
    uint32_t down = journal_find_name(j, "listener_down");
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        const struct journal_proc *proc = journal_proc_of(j, j->worlds[i].proc);
        f->fired += r->what == down && r->fault == s->fault && r->at >= p->t0_ns &&
                    r->at < p->t1_ns && is_of(h, p, proc);
    }
}

/* What the conductor did outside of the proxies: each process, each device. Those of an arm among
 * others, and of the controls, name it before the place. */
static bool is_world(const char *word)
{
    static const char *const words[] = {"control_plane_cut", "kill",  "netem",
                                        "partition",         "pause", "restart"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static bool is_at_arm(const char *place, const char *arm)
{
    const char *colon = strchr(place, ':');
    size_t len = arm == NULL ? 0 : strlen(arm);
    return arm == NULL ? colon == NULL : colon == place + len && strncmp(place, arm, len) == 0;
}

static void count_world(struct hearing *h, const struct step *s, const struct judged_phase *p,
                        struct judged_fault *f)
{
    const struct journal *j = h->journal;
    const char *arm = h->plan->scenarios[p->scenario].arm;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        const struct journal_proc *proc = journal_proc_of(j, j->worlds[i].proc);
        f->fired += r->step == 1 && r->entry != 0 && r->fault == s->fault && r->at >= p->t0_ns &&
                    r->at < p->t1_ns && proc != NULL && strcmp(proc->role, "conductor") == 0 &&
                    is_at_arm(journal_name(j, r->place), arm);
    }
}

/* Another leaf, a stall, an alert: what a fault does to a handshake no try tells. Raw TCP that
 * passes through us has a try for each connection, which does. */
static void count_handshakes(struct hearing *h, const struct step *s, const struct judged_phase *p,
                             struct judged_fault *f)
{
    const struct journal *j = h->journal;
    for (size_t i = 0; i < j->handshake_count; i++) {
        const struct handshake_record *r = &j->handshakes[i].r;
        const struct journal_proc *proc = journal_proc_of(j, j->handshakes[i].proc);
        bool fired = r->fault == s->fault && (r->flags & HANDSHAKE_PASSED_THROUGH) == 0 &&
                     r->at >= p->t0_ns && r->at < p->t1_ns && is_of(h, p, proc);
        f->fired += fired;
        f->eligible += fired;
    }
}

/* The number that ended it is exact; the bits are shared by every 32nd fault, so they tell nothing
 * when it was another of those that ended it. */
static bool has_fired(const struct attempt_record *r, uint16_t fault)
{
    uint32_t bit = UINT32_C(1) << (fault % 32);
    return r->fault == fault ||
           ((r->fired & bit) != 0 && (r->fault == 0 || r->fault % 32 != fault % 32));
}

/* A service of which nothing is asked has no track: its tries are those of its proxy's agent. */
static void count_untracked(struct hearing *h, const struct step *s, const struct judged_phase *p,
                            struct judged_fault *f)
{
    const struct journal *j = h->journal;
    const char *service = hearing_service(s);
    for (size_t i = 0; service != NULL && i < j->attempt_count; i++) {
        const struct attempt_record *r = &j->attempts[i].r;
        const struct journal_proc *proc = journal_proc_of(j, j->attempts[i].proc);
        f->fired += r->at >= p->t0_ns && r->at < p->t1_ns && has_fired(r, s->fault) &&
                    is_of(h, p, proc) && strcmp(proc->service, service) == 0;
    }
}

/* Of ${t->faulted}: the first that is try ${from} or a later one. */
static uint32_t first_faulted(const struct track *t, uint32_t from)
{
    uint32_t low = 0, high = t->faulted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->faulted[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void count_fault(struct hearing *h, const struct step *s, const struct judged_phase *p,
                        struct judged_fault *f)
{
    const char *service = hearing_service(s);
    uint32_t bit = UINT32_C(1) << (s->fault % 32);
    bool tracked = false;
    for (size_t i = 0; i < h->track_count; i++) {
        const struct track *t = h->tracks[i].track;
        if (h->tracks[i].scenario != f->scenario || !arm_is_subject(t->arm) || service == NULL ||
            strcmp(t->service, service) != 0)
            continue;
        tracked = true;
        uint32_t from = track_try_at(t, p->t0_ns), end = track_try_at(t, p->t1_ns);
        f->eligible += tries_at(h, f->scenario, s, t, from, end);
        for (uint32_t k = first_faulted(t, from); k < t->faulted_count && t->faulted[k] < end;
             k++) {
            const struct try *x = &t->tries[t->faulted[k]];
            bool fired = has_fired(x->r, s->fault);
            f->fired += fired;
            f->guarded += !fired && (x->r->guarded & bit) != 0;
            f->eligible += fired && !place_has(h, f->scenario, s, x->r->endpoint);
        }
    }
    if (!tracked)
        count_untracked(h, s, p, f);
}

static void add_faults(struct hearing *h, const struct step *steps, size_t count,
                       const struct judged_phase *p, size_t most)
{
    struct judgement *g = h->g;
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        add_faults(h, s->steps, s->step_count, p, most);
        if (s->kind != STEP_FAULT || g->fault_count == most)
            continue;
        struct judged_fault *f = &g->faults[g->fault_count++];
        const json_t *told = told_of(h, s, p);
        const char *name = json_string_value(json_object_get(s->keys, "name"));
        *f = (struct judged_fault){
            .scenario = p->scenario,
            .ordinal = p->ordinal,
            .again = p->again,
            .part = p->part,
            .fault = s->fault,
            .text = fault_text(h, s, told),
            .on = s->has_on ? arena_strdup(&g->arena, s->on.text) : "",
            .name = name == NULL ? NULL : arena_strdup(&g->arena, name),
            .where = fault_where(h, p->scenario, s, told),
        };
        if (strcmp(s->word, "refuse") == 0)
            count_refused(h, s, p, f);
        else if (is_world(s->word))
            count_world(h, s, p, f);
        else
            count_fault(h, s, p, f);
        if (f->fired == 0 && strcmp(s->word, "partition") == 0) /* the proxies played it */
            count_fault(h, s, p, f);
        count_handshakes(h, s, p, f);
    }
}

static size_t count_steps(const struct step *steps, size_t count)
{
    size_t all = count;
    for (size_t i = 0; i < count; i++)
        all += count_steps(steps[i].steps, steps[i].step_count);
    return all;
}

static void sum_up(struct hearing *h)
{
    const struct journal *j = h->journal;
    for (size_t i = 0; i < j->stall_count; i++) {
        uint64_t late = j->stalls[i].r.fired;
        if (late <= UINT64_C(8000000))
            continue;
        h->g->stall_count++;
        h->g->longest_stall_ns = late > h->g->longest_stall_ns ? late : h->g->longest_stall_ns;
    }
    for (size_t i = 0; i < j->lost_count; i++)
        h->g->lost_records += j->losts[i].r.count;
}

/* Runs and parts of runs of a phase. */
static size_t count_runs(const struct hearing *h, uint32_t scenario, const struct phase *phase)
{
    size_t count = 0;
    for (uint32_t again = 0; again < LOOKS_MOST; again++)
        for (size_t n = 0; part_of(h, scenario, phase, again, n) != NULL; n++)
            count++;
    return count;
}

static void list_phase(struct hearing *h, uint32_t scenario, uint32_t ordinal, uint32_t again,
                       size_t faults_most)
{
    const struct scenario *s = &h->plan->scenarios[scenario];
    const struct phase *phase = &s->phases[ordinal];
    size_t begin = h->g->phase_count;
    for (size_t n = 0; part_of(h, scenario, phase, again, n) != NULL; n++) {
        add_phase(h, scenario, ordinal, phase, again, n);
        struct judged_phase *p = &h->g->phases[h->g->phase_count - 1];
        for (size_t i = begin; i < h->g->phase_count; i++)
            h->g->phases[i].parts = (uint32_t)n + 1;
        add_faults(h, phase->steps, phase->step_count, p, faults_most);
        add_faults(h, s->steps, s->step_count, p, faults_most);
    }
}

/* Where nothing was expected no track was built: the list counts what went on all the same. */
static void track_unasked(struct hearing *h, uint32_t scenario)
{
    for (size_t i = 0; i < h->track_count; i++)
        if (h->tracks[i].scenario == scenario && arm_is_subject(h->tracks[i].track->arm))
            return;
    for (size_t i = 0; i < h->edge_count; i++) {
        const struct arm_edge *e = &h->edges[i];
        if (e->scenario == scenario && arm_is_subject(e->arm) && e->edge.to != NULL &&
            hearing_span(h, scenario, e->arm).from_ns != UINT64_MAX)
            hearing_track(h, scenario, e->arm, e->edge.to, &e->edge);
    }
}

void hearing_list_room(struct hearing *h)
{
    struct judgement *g = h->g;
    size_t phases = 0;
    for (uint32_t i = 0; i < h->plan->scenario_count; i++) {
        const struct scenario *s = &h->plan->scenarios[i];
        size_t whole = count_steps(s->steps, s->step_count);
        for (size_t k = 0; k < s->phase_count; k++) {
            size_t runs = count_runs(h, i, &s->phases[k]);
            phases += runs;
            h->faults_most +=
                runs * (whole + count_steps(s->phases[k].steps, s->phases[k].step_count));
        }
    }
    g->phases = ARENA_ARRAY(&g->arena, struct judged_phase, phases + 1);
    g->faults = ARENA_ARRAY(&g->arena, struct judged_fault, h->faults_most + 1);
    sum_up(h);
}

void hearing_list(struct hearing *h, uint32_t scenario)
{
    track_unasked(h, scenario);
    for (uint32_t k = 0; k < h->plan->scenarios[scenario].phase_count; k++)
        for (uint32_t again = 0; again < LOOKS_MOST; again++)
            list_phase(h, scenario, k, again, h->faults_most);
}
