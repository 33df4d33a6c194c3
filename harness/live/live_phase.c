#include "live/live_model.h"
#include "journal/arm.h"
#include "verify/generate.h"

/* Where the run is: phases that are over, the one under way, those to come, and what is next. */

void live_phases_open(struct live *l)
{
    l->phase_count = 0;
    l->phase_now = SIZE_MAX;
    for (size_t i = 0; i < l->scenario->phase_count && l->phase_count < PHASES_MOST; i++) {
        struct phase_seen *p = &l->phases[l->phase_count++];
        *p = (struct phase_seen){.ordinal = (uint32_t)i};
        live_clean(p->name, sizeof(p->name), l->scenario->phases[i].name);
    }
}

/* As planned, by all arms; UINT64_MAX: its awaits set no time. */
static uint64_t length_ns(const struct live *l, const struct phase *p)
{
    uint64_t arms = 0, length = phase_most_ns(p);
    for (size_t i = 0; i < l->plan->scenario_count; i++)
        arms += plan_same_arms(&l->plan->scenarios[i], l->scenario);
    return length == 0 || length > UINT64_MAX / arms ? UINT64_MAX : length * arms;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t live_phase_end_ns(const struct live *l, uint32_t ordinal, uint64_t now_ns)
{
    const struct scenario *s = l->scenario;
    size_t from = l->phase_now == SIZE_MAX ? 0 : l->phases[l->phase_now].ordinal;
    uint64_t begin_ns = l->phase_now == SIZE_MAX ? now_ns : l->phases[l->phase_now].from_ns;
    uint64_t end_ns = begin_ns;
    for (size_t i = from; i <= ordinal && i < s->phase_count; i++) {
        if (i > from)
            end_ns = plus(end_ns, s->phases[i - 1].settle_ns);
        end_ns = plus(end_ns, length_ns(l, &s->phases[i]));
    }
    return ordinal < from ? plus(begin_ns, length_ns(l, &s->phases[from])) : end_ns;
}

bool live_phase_has(const struct phase_seen *p, uint32_t row)
{
    for (size_t i = 0; i < p->row_count; i++)
        if (p->rows[i] == row)
            return true;
    return false;
}

/* SIZE_MAX: there is no room for it. */
static size_t place_of(struct live *l, const struct journal_phase *p)
{
    char name[LIVE_NAME_BYTES];
    live_clean(name, sizeof(name), p->name);
    for (size_t i = 0; l->scenario->arm != NULL && i < l->phase_count; i++)
        if (l->phases[i].ordinal == p->ordinal && strcmp(l->phases[i].name, name) == 0)
            return i; /* another arm was there first */
    for (size_t i = 0; i < l->phase_count; i++)
        if (l->phases[i].ordinal == p->ordinal && l->phases[i].paused)
            return i;
    if (l->phases[p->ordinal].from_ns == 0)
        return p->ordinal;
    if (l->phase_count == PHASES_MOST)
        return SIZE_MAX;
    size_t at = l->phase_count++; /* walked once more: after all others */
    l->phases[at] = (struct phase_seen){.ordinal = p->ordinal, .again = true};
    live_clean(l->phases[at].name, sizeof(l->phases[at].name), p->name);
    return at;
}

static void begin(struct live *l, const struct journal_phase *p)
{
    char span[32] = "until its event";
    if (p->scenario >= l->plan->scenario_count)
        return;
    if (l->zero_ns == 0)
        l->zero_ns = p->t0_ns;
    live_enter(l, p->scenario);
    if (p->ordinal >= l->scenario->phase_count || p->ordinal >= PHASES_MOST)
        return;
    size_t at = place_of(l, p);
    if (at == SIZE_MAX)
        return;
    struct phase_seen *seen = &l->phases[at];
    bool goes_on = seen->paused, beside = !goes_on && seen->from_ns != 0;
    if (!beside)
        seen->from_ns = goes_on ? p->t0_ns - (seen->to_ns - seen->from_ns) : p->t0_ns;
    seen->to_ns = 0;
    seen->paused = false;
    if (!beside || seen->row_count == PLAN_ARMS_MOST)
        seen->row_count = 0;
    seen->rows[seen->row_count++] = p->phase;
    seen->open++;
    l->phase_now = at;
    const struct phase *plan = &l->scenario->phases[p->ordinal];
    uint64_t length = length_ns(l, plan);
    bool known = length != UINT64_MAX;
    uint64_t over = p->t0_ns - seen->from_ns; /* of one that goes on */
    if (known)
        units_print_duration((length > over ? length - over : 0) / NS_PER_MS * NS_PER_MS, span,
                             sizeof(span));
    const char *arm = l->scenario->arm;
    live_tell(l, p->t0_ns, LIVE_EVENT_PHASE, "phase.start", seen->name, "%s%s%s, %s%s", p->name,
              arm == NULL ? "" : ", arm ", arm == NULL ? "" : arm,
              plan->ends == PHASE_BY_CLOCK || !known ? "" : "at most ", span);
}

void live_phase(struct live *l, const struct journal_phase *p)
{
    if (!arm_is_subject(p->arm))
        return;
    if (p->why == NULL) {
        begin(l, p);
        return;
    }
    for (size_t i = 0; i < l->phase_count; i++) {
        struct phase_seen *seen = &l->phases[i];
        if (!live_phase_has(seen, p->phase))
            continue;
        seen->open -= seen->open > 0;
        if (seen->open > 0) /* other arms are in it still */
            continue;
        seen->to_ns = p->t1_ns;
        seen->paused = strcmp(p->why, "pause") == 0;
        if (l->phase_now == i)
            l->phase_now = SIZE_MAX;
        live_tell(l, p->t1_ns, LIVE_EVENT_PHASE, "phase.end", seen->name, "%s ended (%s)",
                  seen->name, p->why);
    }
}

/* The next planned edge inside the phase: a step that begins later. */
static const struct step *next_step(const struct phase *p, uint64_t elapsed_ns, uint64_t *ret_ns)
{
    const struct step *next = NULL;
    for (size_t i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        if ((s->kind != STEP_AT && s->kind != STEP_DURING) || s->from_ns <= elapsed_ns ||
            s->step_count == 0 || (next != NULL && s->from_ns >= *ret_ns))
            continue;
        next = &s->steps[0];
        *ret_ns = s->from_ns;
    }
    return next;
}

static void show_next(const struct live *l, uint64_t now_ns, struct live_snapshot *ret)
{
    char at[32], text[LIVE_TEXT_BYTES] = "";
    const struct phase_seen *p = &l->phases[l->phase_now];
    const struct phase *plan = &l->scenario->phases[p->ordinal];
    uint64_t elapsed_ns = now_ns > p->from_ns ? now_ns - p->from_ns : 0, from_ns = 0;
    uint64_t end_ns = plus(p->from_ns, length_ns(l, plan));
    const struct step *s = next_step(plan, elapsed_ns, &from_ns);
    ret->phase_left_ns = end_ns == UINT64_MAX ? UINT64_MAX : end_ns > now_ns ? end_ns - now_ns : 0;
    if (s != NULL && (end_ns == UINT64_MAX || p->from_ns + from_ns < end_ns))
        snprintf(text, sizeof(text), "Next at %s: %.60s%s%.80s",
                 live_clock(live_since(l, p->from_ns + from_ns), false, at, sizeof(at)),
                 s->word != NULL ? s->word : "steps", s->has_on ? " on " : "",
                 s->has_on ? s->on.text : "");
    else if (!p->again && p->ordinal + 1 < l->scenario->phase_count && end_ns != UINT64_MAX)
        snprintf(text, sizeof(text), "Next at %s: %.150s",
                 live_clock(live_since(l, plus(end_ns, plan->settle_ns)), false, at, sizeof(at)),
                 l->scenario->phases[p->ordinal + 1].name);
    else if (!p->again && p->ordinal + 1 < l->scenario->phase_count)
        snprintf(text, sizeof(text), "Next: %.150s", l->scenario->phases[p->ordinal + 1].name);
    live_clean(ret->next, sizeof(ret->next), text);
    if (plan->ends == PHASE_DECIDED)
        snprintf(ret->ends, sizeof(ret->ends), "ends when its claims are decided");
    for (size_t i = 0; plan->ends == PHASE_BY_AWAITS && i < plan->step_count; i++) {
        const struct step *a = &plan->steps[i];
        if (a->kind != STEP_AWAIT || ret->ends[0] != '\0')
            continue;
        snprintf(text, sizeof(text), "waits for: %.60s%s%.80s", a->word, a->has_on ? " " : "",
                 a->has_on ? a->on.text : "");
        live_clean(ret->ends, sizeof(ret->ends), text);
    }
}

/* The rest of this scenario, and the scenarios to come. */
static uint64_t total_ns(const struct live *l, uint64_t now_ns)
{
    uint64_t end_ns = 0, total;
    if (l->done)
        return live_since(l, now_ns);
    for (size_t i = 0; i < l->phase_count; i++)
        end_ns = l->phases[i].to_ns > end_ns ? l->phases[i].to_ns : end_ns;
    size_t next = 0;
    for (size_t i = 0; i < l->phase_count; i++)
        if (l->phases[i].from_ns != 0 && !l->phases[i].again)
            next = i + 1;
    if (l->phase_now != SIZE_MAX) {
        uint64_t length = length_ns(l, &l->scenario->phases[l->phases[l->phase_now].ordinal]);
        end_ns = length == UINT64_MAX ? now_ns : plus(l->phases[l->phase_now].from_ns, length);
        end_ns = end_ns > now_ns ? end_ns : now_ns;
    }
    total = live_since(l, end_ns);
    for (size_t i = next; i < l->scenario->phase_count; i++) {
        uint64_t length = length_ns(l, &l->scenario->phases[i]);
        total += length == UINT64_MAX ? 0 : length;
        total += i > 0 ? l->scenario->phases[i - 1].settle_ns : 0;
    }
    for (size_t i = l->scenario_index + 1; i < l->plan->scenario_count; i++)
        total += plan_same_arms(&l->plan->scenarios[i], l->scenario)
                     ? 0
                     : generate_length_ns(&l->plan->scenarios[i]);
    return total;
}

void live_phases_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret)
{
    uint64_t to_ns = 0;
    size_t skip = l->phase_count > LIVE_PHASES ? l->phase_count - LIVE_PHASES : 0;
    ret->phase_left_ns = UINT64_MAX;
    ret->expected_total_ns = total_ns(l, now_ns);
    if (l->phase_now != SIZE_MAX)
        show_next(l, now_ns, ret);
    for (size_t i = skip; i < l->phase_count; i++) {
        const struct phase_seen *p = &l->phases[i];
        struct live_phase *to = &ret->phases[ret->phase_count++];
        uint64_t length = length_ns(l, &l->scenario->phases[p->ordinal]);
        memcpy(to->name, p->name, sizeof(to->name));
        to->state = p->to_ns != 0       ? LIVE_PHASE_DONE
                    : i == l->phase_now ? LIVE_PHASE_NOW
                    : p->from_ns != 0   ? LIVE_PHASE_DONE
                                        : LIVE_PHASE_NEXT;
        if (p->from_ns != 0)
            to->from_ns = live_since(l, p->from_ns);
        else
            to->from_ns =
                to_ns + (p->ordinal > 0 ? l->scenario->phases[p->ordinal - 1].settle_ns : 0);
        to->to_ns = p->to_ns != 0          ? live_since(l, p->to_ns)
                    : length == UINT64_MAX ? to->from_ns
                                           : to->from_ns + length;
        if (to->state == LIVE_PHASE_NOW && to->to_ns < live_since(l, now_ns))
            to->to_ns = live_since(l, now_ns);
        to_ns = to->to_ns;
    }
}
