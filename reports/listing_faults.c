/* show --faults: from when to when each fault was in force, how often it fired, what it changed in
 * the world, and what hooks said. */
#include "reports/listing.h"

#include <stdlib.h>

#define PLACES_SHOWN 3

/* Rows of one process, fault and generation: one step arms its endpoints one after the other. */
struct armed {
    uint32_t proc;
    uint16_t fault, generation;
    const char *arm;
    const char *params;
    const char *places[PLACES_SHOWN];
    size_t place_count;
    uint64_t from_ns, to_ns; /* to 0: never disarmed */
    uint64_t fired, held, guarded;
    bool expired;
};
struct armings {
    struct armed *at;
    size_t count;
};

static struct armed *find(struct armings *a, const struct fault_row *row)
{
    for (size_t i = a->count; i > 0 && a->at[i - 1].proc == row->proc; i--)
        if (a->at[i - 1].fault == row->r.fault && a->at[i - 1].generation == row->r.generation)
            return &a->at[i - 1];
    return NULL;
}

/* The newest of that number at the process: rows are in the order of the process's own time. */
static struct armed *find_open(struct armings *a, const struct fault_row *row)
{
    for (size_t i = a->count; i > 0 && a->at[i - 1].proc == row->proc; i--)
        if (a->at[i - 1].fault == row->r.fault)
            return &a->at[i - 1];
    return NULL;
}

static void add_armed(const struct scene *s, struct armings *a, const struct fault_row *row)
{
    struct armed *one = find(a, row);
    if (one == NULL) {
        one = &a->at[a->count++];
        *one = (struct armed){.proc = row->proc,
                              .fault = row->r.fault,
                              .generation = row->r.generation,
                              .arm = listing_arm(s, row->proc),
                              .params = journal_name(s->journal, row->r.params),
                              .from_ns = row->r.at};
    }
    if (one->place_count < PLACES_SHOWN)
        one->places[one->place_count] = journal_name(s->journal, row->r.place);
    one->place_count++;
}

static void end_armed(struct armings *a, const struct fault_row *row)
{
    struct armed *one = find_open(a, row);
    if (one == NULL)
        return;
    one->to_ns = row->r.at > one->to_ns ? row->r.at : one->to_ns;
    one->fired += row->r.fired;
    one->held += row->r.held;
    one->expired = one->expired || row->r.what == 2;
}

/* Firings that the streak guard withheld stand in the tries. */
static void count_guarded(const struct journal *j, struct armings *a)
{
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt_record *r = &j->attempts[i].r;
        for (size_t k = 0; r->guarded != 0 && k < a->count; k++)
            a->at[k].guarded += a->at[k].proc == j->attempts[i].proc &&
                                (r->guarded >> (a->at[k].fault % 32) & 1) != 0 &&
                                r->at >= a->at[k].from_ns &&
                                (a->at[k].to_ns == 0 || r->at <= a->at[k].to_ns);
    }
}

static int by_time(const void *x, const void *y)
{
    const struct armed *a = x, *b = y;
    if (a->from_ns != b->from_ns)
        return a->from_ns < b->from_ns ? -1 : 1;
    return a->proc != b->proc ? (a->proc < b->proc ? -1 : 1)
                              : (a->generation > b->generation) - (a->generation < b->generation);
}

static void read_armings(const struct scene *s, struct armings *a)
{
    const struct journal *j = s->journal;
    *a = (struct armings){.at = check_alloc_zero(j->fault_count + 1, sizeof(*a->at))};
    for (size_t i = 0; i < j->fault_count; i++) {
        if (j->faults[i].r.what == 0)
            add_armed(s, a, &j->faults[i]);
        else
            end_armed(a, &j->faults[i]);
    }
    count_guarded(j, a);
    qsort(a->at, a->count, sizeof(*a->at), by_time);
}

static void add_places(const struct armed *a, struct text *to)
{
    for (size_t i = 0; i < a->place_count && i < PLACES_SHOWN; i++) {
        text_add(to, "%s", i == 0 ? "" : ", ");
        report_add_clean(to, a->places[i]);
    }
    if (a->place_count > PLACES_SHOWN)
        text_add(to, " and %zu more", a->place_count - PLACES_SHOWN);
}

static void add_line(const struct scene *s, const struct armed *a, struct text *to)
{
    char number[32];
    size_t line = to->len;
    text_add(to, "  ");
    listing_time(s, a->from_ns, to);
    text_add(to, " .. ");
    if (a->to_ns == 0)
        text_add(to, "not ended");
    else
        listing_time(s, a->to_ns, to);
    text_pad(to, line, 28, 1);
    text_add(to, "fault %u  ", a->fault);
    report_add_clean(to, a->params);
    text_add(to, " on ");
    add_places(a, to);
    text_pad(to, line, 84, 1);
    text_add(to, a->fired == 0 ? "FIRED 0" : "fired %s",
             text_grouped(a->fired, number, sizeof(number)));
    if (a->guarded > 0)
        text_add(to, ", withheld by the streak guard %s",
                 text_grouped(a->guarded, number, sizeof(number)));
    if (a->held > 0)
        text_add(to, ", %s held when it ended", text_grouped(a->held, number, sizeof(number)));
    text_add(to, "%s\n", a->expired ? ", EXPIRED" : "");
}

static void add_world(const struct scene *s, const char *arm, struct text *to)
{
    static const char *const steps[] = {"promised", "done", "undone"};
    const struct journal *j = s->journal;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        size_t line = to->len;
        if (strcmp(listing_arm(s, j->worlds[i].proc), arm) != 0)
            continue;
        text_add(to, "  ");
        listing_time(s, r->at, to);
        text_pad(to, line, 28, 1);
        text_add(to, "%-8s  ", steps[r->step < 3 ? r->step : 0]);
        report_add_clean(to, journal_name(j, r->what));
        text_add(to, " on ");
        report_add_clean(to, journal_name(j, r->place));
        if (r->before != 0 || r->after_text != 0) {
            text_add(to, ": ");
            report_add_clean(to, journal_name(j, r->before));
            text_add(to, " -> ");
            report_add_clean(to, journal_name(j, r->after_text));
        }
        if (r->fault != 0)
            text_add(to, "  (fault %u)", r->fault);
        if (r->step != 0)
            text_add(to, "%s", r->read_back_ok != 0 ? "  read back" : "  not read back");
        text_add(to, "\n");
    }
}

static void add_hooks(const struct scene *s, const char *arm, struct text *to)
{
    const struct journal *j = s->journal;
    for (size_t i = 0; i < j->hook_count; i++) {
        const struct hook_record *r = &j->hooks[i].r;
        const char *level = record_enum_name("level", r->level);
        size_t line = to->len;
        if (strcmp(listing_arm(s, j->hooks[i].proc), arm) != 0)
            continue;
        text_add(to, "  ");
        listing_time(s, r->at, to);
        text_pad(to, line, 28, 1);
        text_add(to, "fault %u  hook ", r->fault);
        report_add_clean(to, journal_name(j, r->source));
        text_add(to, " %s: ", level == NULL ? "says" : level);
        report_add_clean(to, journal_name(j, r->text));
        if (r->count > 1)
            text_add(to, "  (%u lines)", r->count);
        text_add(to, "\n");
    }
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    struct arena arena;
    struct armings a;
    size_t count;
    (void)of;
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    read_armings(s, &a);
    const char **arms = listing_arms(s, &arena, &count);
    for (size_t i = 0; i < count; i++) {
        struct text part;
        text_init(&part, LISTING_MOST_BYTES);
        for (size_t k = 0; k < a.count; k++)
            if (strcmp(a.at[k].arm, arms[i]) == 0)
                add_line(s, &a.at[k], &part);
        add_world(s, arms[i], &part);
        add_hooks(s, arms[i], &part);
        if (part.len > 0)
            listing_heading(arms[i], count, to);
        text_add_bytes(to, bytes_of(text_get(&part)));
        to->full = to->full || part.full;
        text_release(&part);
    }
    if (to->len == 0)
        text_add(to, "no fault was armed, and nothing outside was changed\n");
    arena_release(&arena);
    free(a.at);
}

const struct listing listing_faults = {
    .name = "faults",
    .write = write,
    .kinds = NDJSON_KIND(RECORD_FAULT) | NDJSON_KIND(RECORD_WORLD) | NDJSON_KIND(RECORD_HOOK),
};
