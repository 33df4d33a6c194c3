/* A phase that was paused: its parts, and what their verdicts make together. */
#include "verify/claims.h"
#include "verify/hearing.h"

#define PARTS_MOST 64 /* of one run of a phase; what comes later is no evidence */

const struct journal_phase *hearing_part(const struct hearing *h, uint32_t scenario,
                                         const char *arm, const struct phase *phase, uint32_t again,
                                         size_t part)
{
    char name[LOOK_NAME_MOST];
    size_t seen = 1; /* the first that was resumed is part 1 */
    if (part >= PARTS_MOST || again >= LOOKS_MOST)
        return NULL;
    look_name(name, sizeof(name), phase->name, again, part > 0);
    for (size_t i = 0; i < h->journal->phase_count; i++) {
        const struct journal_phase *p = &h->journal->phases[i];
        /* By name: a control may have fewer phases than the subject, whose plan this is. */
        if (p->scenario != scenario || p->name[0] != name[0] || strcmp(p->name, name) != 0 ||
            strcmp(p->arm, arm) != 0)
            continue;
        if (part == 0 || seen++ == part)
            return p;
    }
    return NULL;
}

static uint64_t later(uint64_t t_ns, uint64_t span_ns)
{
    return span_ns > UINT64_MAX - t_ns ? UINT64_MAX : t_ns + span_ns;
}

uint64_t hearing_wall_ns(const struct hearing *h, const struct journal_phase *row, uint64_t own_ns)
{
    const struct journal *j = h->journal;
    uint64_t since_ns = row->t0_ns; /* the clock goes since; 0: it stands */
    for (size_t i = 0; i < j->event_count && own_ns != 0; i++) {
        const struct journal_event *e = &j->events[i];
        if (e->phase != row->phase)
            continue;
        if (strcmp(e->what, "block.begin") == 0 && since_ns == 0)
            since_ns = e->t_ns;
        if (strcmp(e->what, "block.end") != 0 || since_ns == 0)
            continue;
        if (own_ns <= e->t_ns - since_ns)
            break;
        own_ns -= own_ns == UINT64_MAX ? 0 : e->t_ns - since_ns;
        since_ns = 0;
    }
    return since_ns == 0 ? UINT64_MAX : later(since_ns, own_ns);
}

uint64_t hearing_own_ns(const struct hearing *h, const struct journal_phase *row)
{
    const struct journal *j = h->journal;
    uint64_t since_ns = row->t0_ns, sum = 0; /* since: 0: the clock stands */
    if (row->t1_ns == UINT64_MAX)
        return 0;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (e->phase != row->phase)
            continue;
        if (strcmp(e->what, "block.begin") == 0 && since_ns == 0)
            since_ns = e->t_ns;
        if (strcmp(e->what, "block.end") == 0 && since_ns != 0) {
            sum += e->t_ns - since_ns;
            since_ns = 0;
        }
    }
    return sum + (since_ns == 0 ? 0 : row->t1_ns - since_ns);
}

bool hearing_paused(const struct hearing *h, uint32_t scenario, const char *arm)
{
    for (size_t i = 0; i < h->journal->phase_count; i++) {
        const struct journal_phase *p = &h->journal->phases[i];
        if (p->scenario == scenario && strcmp(p->arm, arm) == 0 && p->why != NULL &&
            strcmp(p->why, "pause") == 0)
            return true;
    }
    return false;
}

bool hearing_cut_short(const struct journal_phase *row, const struct claim_type *type,
                       const struct verdict *v)
{
    static const char *const early[] = {"abort", "pause", "lost"};
    bool cut = row->why == NULL;
    for (size_t i = 0; i < COUNT_OF(early) && !cut; i++)
        cut = strcmp(row->why, early[i]) == 0;
    return cut && v->kind != VERDICT_INCONCLUSIVE &&
           !(v->kind == VERDICT_FAIL && claim_type_fails_by_witness(type));
}

const struct journal_phase *hearing_phase(const struct hearing *h, uint32_t scenario,
                                          const char *arm, const struct phase *phase,
                                          uint32_t again)
{
    return hearing_part(h, scenario, arm, phase, again, 0);
}

/* One witness is enough. Shares, quantiles and lateness are of the whole: a part alone that misses
 * them proves nothing. */
static bool fails_alone(const struct claim_type *type)
{
    return type->class == CLAIM_DETERMINISTIC && strcmp(type->word, "success") != 0 &&
           strcmp(type->word, "amplification") != 0 && strcmp(type->word, "budget") != 0;
}

static void leave_open(struct verdict *v, struct arena *arena)
{
    const char *was = v->text;
    verdict_open(v, WHY_NOT_REPEATED, arena, "seen in one part of the paused phase alone: %s",
                 was == NULL ? "" : was);
    v->needs = "a run that is not paused in this phase";
}

static bool wants_more(const struct verdict *v)
{
    return v->kind == VERDICT_INCONCLUSIVE && (v->why == WHY_TOO_FEW || v->why == WHY_NEVER_FIRED);
}

/* What was wrong there may have gone unseen: no part's PASS makes up for it. */
static bool is_blind(const struct verdict *v)
{
    return v->kind == VERDICT_INCONCLUSIVE && (v->why == WHY_LOST || v->why == WHY_INSTRUMENT);
}

/* Something was wrong there, too little to say so: a part that saw nothing wrong does not take it
 * back. */
static bool is_tainted(const struct verdict *v)
{
    return v->kind == VERDICT_INCONCLUSIVE && v->wrong > 0;
}

static void add_up(const struct claim_type *type, struct verdict *so_far,
                   const struct verdict *next, size_t parts, struct arena *arena)
{
    if (!wants_more(so_far) || !wants_more(next)) {
        if (wants_more(so_far) || next->why == WHY_NOT_REPEATED)
            *so_far = *next;
        return;
    }
    uint64_t sum = so_far->eligible + next->eligible, wrong = so_far->wrong + next->wrong,
             needed = so_far->needed > next->needed ? so_far->needed : next->needed;
    if (next->eligible >= so_far->eligible) /* what is said last was said of more */
        *so_far = *next;
    if (!type->adds || wrong > 0)
        return;
    so_far->eligible = sum;
    so_far->needed = needed;
    if (sum == 0 || sum < needed)
        return;
    so_far->needs = NULL;
    verdict_pass(so_far, arena, "%llu %s, in the %zu parts of the paused phase",
                 (unsigned long long)sum, so_far->unit, parts);
    so_far->certain = verdict_excludes(sum, arena);
}

void hearing_merge_parts(const struct claim_type *type, struct verdict *so_far,
                         const struct verdict *next, size_t parts, struct arena *arena)
{
    bool failed = so_far->kind == VERDICT_FAIL, fails = next->kind == VERDICT_FAIL;
    if (failed && fails)
        return;
    if (failed || fails) {
        if (fails)
            *so_far = *next;
        if (!fails_alone(type))
            leave_open(so_far, arena);
    } else if (is_blind(so_far) || is_blind(next)) {
        if (!is_blind(so_far))
            *so_far = *next;
    } else if (so_far->kind == VERDICT_PASS && is_tainted(next)) {
        *so_far = *next;
    } else if (so_far->kind == VERDICT_NOT_APPLICABLE ||
               (next->kind == VERDICT_PASS && so_far->why != WHY_NOT_REPEATED &&
                !is_tainted(so_far))) {
        *so_far = *next;
    } else if (so_far->kind == VERDICT_INCONCLUSIVE && next->kind == VERDICT_INCONCLUSIVE) {
        add_up(type, so_far, next, parts, arena);
    }
}
