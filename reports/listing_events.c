#include "reports/listing_events.h"
#include "journal/arm.h"

#include "base/clock.h"
#include "base/units.h"
#include "reports/listing.h"

#include <stdlib.h>

#define TEXT_BYTES 400
#define SAME_NS (50 * NS_PER_MS)

struct happening {
    uint64_t t_ns;
    size_t order;
    const char *kind;
    char *text;
};
struct happenings {
    struct happening *at;
    size_t count, room;
};

static void PRINTF(4, 5)
    add(struct happenings *h, uint64_t t_ns, const char *kind, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (h->count == h->room) {
        h->room = h->room == 0 ? 64 : h->room * 2;
        h->at = check_realloc(h->at, h->room * sizeof(*h->at));
    }
    h->at[h->count] = (struct happening){t_ns, h->count, kind, check_strdup(text)};
    h->count++;
}

static void add_phases(const struct scene *s, struct happenings *h)
{
    char span[40];
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct journal_phase *p = s->phases[i];
        add(h, p->t0_ns, "phase", "%.200s", p->name);
        if (p->t1_ns != UINT64_MAX)
            add(h, p->t1_ns, "ended", "%.200s (%.60s) after %s", p->name,
                p->why == NULL ? "?" : p->why,
                units_print_duration((p->t1_ns - p->t0_ns) / NS_PER_MS * NS_PER_MS, span,
                                     sizeof(span)));
    }
}

/* One step arms the endpoints of a place at once, and is one thing that happened. */
static bool are_one(const struct in_force *a, const struct in_force *b)
{
    return a->from_ns / SAME_NS == b->from_ns / SAME_NS &&
           a->to_ns / SAME_NS == b->to_ns / SAME_NS && a->faults == b->faults &&
           strcmp(a->service, b->service) == 0 && strcmp(a->text, b->text) == 0;
}

/* "payments/1, /2, /3" of all that are one with ${i}; false: an earlier one has told of it. */
static bool add_place(const struct in_force_list *faults, size_t i, struct text *to, bool *ret_idle)
{
    const struct in_force *f = &faults->at[i];
    for (size_t k = 0; k < i; k++)
        if (are_one(&faults->at[k], f))
            return false;
    text_add(to, "%.100s", f->service);
    if (f->endpoint != 0)
        text_add(to, "/%u", f->endpoint);
    *ret_idle = f->idle == f->faults;
    for (size_t k = i + 1; k < faults->count; k++) {
        const struct in_force *other = &faults->at[k];
        if (!are_one(other, f) || other->endpoint == f->endpoint)
            continue;
        text_add(to, ", /%u", other->endpoint);
        *ret_idle = *ret_idle && other->idle == other->faults;
    }
    return true;
}

static void add_faults(const struct scene *s, const struct in_force_list *faults,
                       struct happenings *h)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct in_force *f = &faults->at[i];
        char more[40] = "";
        bool idle;
        struct text place;
        text_init(&place, TEXT_BYTES);
        if (add_place(faults, i, &place, &idle)) {
            if (f->faults > 1)
                snprintf(more, sizeof(more), " and %u more", f->faults - 1);
            add(h, f->from_ns, "armed", "%.120s%s on %s", f->text, more, text_get(&place));
            if (f->to_ns < s->end_ns)
                add(h, f->to_ns, "undo", "%.120s%s on %s%s", f->text, more, text_get(&place),
                    idle ? ", fired 0" : "");
        }
        text_release(&place);
    }
}

static void add_outages(const struct outages *outages, struct happenings *h)
{
    for (size_t i = 0; i < outages->count; i++) {
        const struct outage *o = &outages->at[i];
        char off[64];
        if (o->is == OUTAGE_MAYBE)
            continue;
        outage_print(o, off, sizeof(off));
        if (o->is == OUTAGE_MISSING) {
            add(h, o->from_ns, "mesh", "%.100s/%u: %s", o->service, o->endpoint, off);
            continue;
        }
        add(h, o->from_ns, "mesh", "%.100s/%u is out", o->service, o->endpoint);
        if (o->ended)
            add(h, o->to_ns, "mesh", "%.100s/%u is back after %.1f s%s%s", o->service, o->endpoint,
                (double)(o->to_ns - o->from_ns) / (double)NS_PER_S, off[0] == '\0' ? "" : ", ",
                off);
    }
}

static void add_found(const struct scene *s, struct happenings *h)
{
    const struct judgement *g = s->report->judgement;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->verdict.kind == VERDICT_FAIL && d->verdict.witness_ns != 0 && arm_is_subject(d->arm))
            add(h, d->verdict.witness_ns, "FAIL", "%s %.80s: %.200s", d->claim->id,
                d->on == NULL ? "" : d->on, d->verdict.text);
    }
}

static const char *text_of(const struct journal_event *e, const char *key)
{
    return report_event_text(e, key);
}

/* What people and guards did; the rows of faults are told by what they did (in_force.h). */
static void add_event(const struct journal_event *e, struct happenings *h)
{
    long long number = json_integer_value(json_object_get(e->json, "number"));
    if (strcmp(e->what, "await") == 0)
        add(h, e->t_ns, "await", "%.40s %.80s: %s", text_of(e, "word"), text_of(e, "on"),
            json_is_true(json_object_get(e->json, "met")) ? "seen" : "not seen");
    else if (strcmp(e->what, "guard_trip") == 0)
        add(h, e->t_ns, "guard", "%.200s", text_of(e, "guard"));
    else if (strcmp(e->what, "abort") == 0)
        add(h, e->t_ns, "abort", "%.200s", text_of(e, "why"));
    else if (strcmp(e->what, "pause") == 0 || strcmp(e->what, "resume") == 0)
        add(h, e->t_ns, e->what, "by %.80s", text_of(e, "who"));
    else if (strcmp(e->what, "question") == 0)
        add(h, e->t_ns, "ask", "%lld: %.200s", number, text_of(e, "ask"));
    else if (strcmp(e->what, "answer") == 0)
        add(h, e->t_ns, "answer", "%lld by %.80s: %.100s", number, text_of(e, "who"),
            text_of(e, "answer"));
}

static bool is_ours(const struct scene *s, const struct journal_event *e)
{
    const char *arm = json_string_value(json_object_get(e->json, "arm"));
    if (arm != NULL)
        return arm_is_subject(arm);
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i]->phase == e->phase)
            return true;
    return e->phase == 0;
}

static void add_world(const struct scene *s, struct happenings *h)
{
    const struct journal *j = s->journal;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        if (r->step == 0 || r->fault != 0 || !scene_is_subject(s, j->worlds[i].proc))
            continue; /* those of a fault are told as faults */
        add(h, r->at, r->step == 2 ? "undo" : "world", "%.150s on %.80s%s",
            journal_name(j, r->what), journal_name(j, r->place),
            r->step != 2           ? ""
            : r->read_back_ok != 0 ? ", read back"
                                   : ", not read back");
    }
}

static int by_time(const void *a, const void *b)
{
    const struct happening *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

void listing_events(const struct scene *s, const struct in_force_list *faults,
                    const struct outages *outages, struct text *to)
{
    struct happenings h = {0};
    add_phases(s, &h);
    add_faults(s, faults, &h);
    add_outages(outages, &h);
    add_found(s, &h);
    add_world(s, &h);
    for (size_t i = 0; i < s->journal->event_count; i++)
        if (is_ours(s, &s->journal->events[i]))
            add_event(&s->journal->events[i], &h);
    if (h.count > 0)
        qsort(h.at, h.count, sizeof(*h.at), by_time);
    for (size_t i = 0; i < h.count; i++) {
        listing_time(s, h.at[i].t_ns, to);
        text_add(to, " %-7s ", h.at[i].kind);
        report_add_clean(to, h.at[i].text);
        text_add(to, "\n");
        free(h.at[i].text);
    }
    free(h.at);
    if (faults->left_out > 0)
        text_add(to, "and %zu faults more\n", faults->left_out);
}
