#include "reports/text_aborted.h"

#include "base/clock.h"
#include "journal/arm.h"

#define MARK_COLUMN 76
#define EDGES_MOST 16

/* In its midst, or while it was paused. */
static bool is_cut(const struct judged_phase *p)
{
    return p->why != NULL && (strcmp(p->why, "abort") == 0 ||
                              (strcmp(p->why, "pause") == 0 && p->part + 1 >= p->parts));
}

void aborted_add_stop(const struct report *report, const struct judged_phase *phase,
                      struct text *to)
{
    const struct journal_event *trip = report_event(report->journal, "guard_trip");
    const struct journal_event *abort = report_event(report->journal, "abort");
    size_t start = to->len;
    if (!is_cut(phase) || abort == NULL)
        return;
    text_add(to, trip != NULL ? "  STOPPED by " : "  STOPPED: ");
    report_add_clean(to, trip != NULL ? report_event_text(trip, "guard")
                                      : report_event_text(abort, "why"));
    if (report_event_text(trip, "where")[0] != '\0') {
        text_pad(to, start, MARK_COLUMN + 3, 3);
        report_add_clean(to, report_event_text(trip, "where"));
    }
    text_add(to, "\n");
    if (report_event_text(trip, "note")[0] == '\0')
        return;
    text_add(to, "          \"");
    report_add_clean(to, report_event_text(trip, "note"));
    text_add(to, "\"\n");
}

bool aborted_is_cut(const struct report *report, uint32_t scenario)
{
    const struct judgement *g = report->judgement;
    for (size_t i = 0; i < g->phase_count; i++) {
        const struct judged_phase *p = &g->phases[i];
        if (p->scenario == scenario && is_cut(p))
            return true;
    }
    return false;
}

const char *aborted_by(const struct report *report)
{
    return report_event(report->journal, "guard_trip") != NULL ? " by guard" : "";
}

static bool has_run(const struct judgement *g, uint32_t scenario, uint32_t ordinal)
{
    for (size_t i = 0; i < g->phase_count; i++) {
        if (g->phases[i].scenario == scenario && g->phases[i].ordinal == ordinal)
            return true;
    }
    return false;
}

static void add_not_run(const struct report *report, struct text *to)
{
    size_t told = 0;
    for (size_t i = 0; report->plan != NULL && i < report->plan->scenario_count; i++) {
        const struct scenario *s = &report->plan->scenarios[i];
        for (size_t k = 0; k < s->phase_count; k++) {
            if (has_run(report->judgement, (uint32_t)i, (uint32_t)k))
                continue;
            text_add(to, told++ == 0 ? "not run   " : ", ");
            report_add_clean(to, s->phases[k].name);
        }
    }
    text_add(to, "%s", told > 0 ? "\n" : "");
}

static bool is_subject(const struct journal *j, uint32_t number)
{
    const struct journal_proc *proc = journal_proc_of(j, number);
    return proc != NULL && proc->arm != NULL && (arm_is_subject(proc->arm) || proc->arm[0] == '\0');
}

static void add_time(struct text *to, uint64_t wall_zero_ns, uint64_t zero_ns, uint64_t at_ns)
{
    uint64_t ms = (wall_zero_ns + (at_ns > zero_ns ? at_ns - zero_ns : 0)) / NS_PER_MS;
    uint64_t day_ms = ms % (UINT64_C(86400) * 1000);
    text_add(to, "%02llu:%02llu:%02llu.%03llu", (unsigned long long)(day_ms / 3600000),
             (unsigned long long)(day_ms / 60000 % 60), (unsigned long long)(day_ms / 1000 % 60),
             (unsigned long long)(day_ms % 1000));
}

/* Stream faults: the last of those that the abort ended. */
static void add_faults_off(const struct journal *j, uint64_t trip_ns, struct text *to,
                           uint64_t wall_ns, uint64_t zero_ns)
{
    uint64_t off_ns = 0;
    for (size_t i = 0; i < j->fault_count; i++) {
        const struct fault_record *r = &j->faults[i].r;
        if (r->what == 1 && r->at >= trip_ns && r->at > off_ns && is_subject(j, j->faults[i].proc))
            off_ns = r->at;
    }
    if (off_ns == 0) {
        text_add(to, "no fault was in force");
        return;
    }
    add_time(to, wall_ns, zero_ns, off_ns);
    text_add(to, " faults off (%llu ms)",
             (unsigned long long)((off_ns - trip_ns + NS_PER_MS / 2) / NS_PER_MS));
}

static void add_world(const struct journal *j, struct text *to)
{
    size_t promised = 0, undone = 0;
    bool back = true;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        if (r->entry == 0) /* a listener, or a leaf: of the lab, which is no more */
            continue;
        promised += r->step == 0;
        undone += r->step == 2;
        back = back && (r->step != 2 || r->read_back_ok != 0);
    }
    if (promised == 0)
        text_add(to, "; 0 changes to the world\n");
    else
        text_add(to, "; %zu of %zu changes to the world undone; read back: %s\n", undone, promised,
                 back && undone >= promised ? "yes" : "NO");
}

/* By edge, what ended after the stop. */
struct after {
    uint32_t edge;
    uint64_t good, all, last_ns;
};

static bool is_good(const struct request_record *r)
{
    return r->end == END_COMPLETE && r->status >= 200 && r->status < 400 && r->grpc_status <= 1;
}

static void add_after(const struct journal *j, uint64_t trip_ns, struct text *to)
{
    struct after edges[EDGES_MOST];
    size_t count = 0;
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        size_t k = 0;
        if (r->due < trip_ns || !is_subject(j, j->requests[i].proc))
            continue;
        while (k < count && edges[k].edge != r->edge)
            k++;
        if (k == COUNT_OF(edges))
            continue;
        if (k == count)
            edges[count++] = (struct after){.edge = r->edge};
        edges[k].all++;
        edges[k].good += is_good(r);
        edges[k].last_ns = r->due > edges[k].last_ns ? r->due : edges[k].last_ns;
    }
    for (size_t k = 0; k < count; k++) {
        text_add(to, k == 0 ? "after     " : "          ");
        report_add_clean(to, journal_name(j, edges[k].edge));
        text_add(to, " %.2f %% good of %llu requests in %.1f s\n",
                 100.0 * (double)edges[k].good / (double)edges[k].all,
                 (unsigned long long)edges[k].all,
                 (double)(edges[k].last_ns - trip_ns) / (double)NS_PER_S);
    }
}

/* When the run's time of day was taken: our own clock was stamped with it. */
static uint64_t started_ns(const struct journal *j)
{
    uint64_t first_ns = j->phase_count > 0 ? report_zero_ns(j) : UINT64_MAX;
    for (size_t i = 0; i < j->clock_count; i++)
        first_ns = j->clocks[i].r.at < first_ns ? j->clocks[i].r.at : first_ns;
    return first_ns;
}

bool aborted_slice(const struct journal *j, struct journal_slice *ret)
{
    const struct journal_event *abort = report_event(j, "abort");
    const struct journal_event *trip = report_event(j, "guard_trip");
    if (report_ending(j) != ENDED_ABORTED || abort == NULL)
        return false;
    *ret = (struct journal_slice){.from_ns = trip != NULL ? trip->t_ns : abort->t_ns,
                                  .to_ns = UINT64_MAX};
    return true;
}

void aborted_add_end(const struct report *report, struct text *to)
{
    const struct journal *j = report->journal;
    const struct journal_event *trip = report_event(j, "guard_trip");
    struct journal_slice slice;
    if (!aborted_slice(j, &slice))
        return;
    uint64_t trip_ns = slice.from_ns;
    uint64_t wall_ns = (uint64_t)json_integer_value(json_object_get(j->run, "wall_ns"));
    uint64_t zero_ns = started_ns(j);
    add_not_run(report, to);
    text_add(to, "undone    ");
    add_time(to, wall_ns, zero_ns, trip_ns);
    text_add(to, " %s; ", trip != NULL ? "trip" : "stopped");
    add_faults_off(j, trip_ns, to, wall_ns, zero_ns);
    add_world(j, to);
    add_after(j, trip_ns, to);
}
