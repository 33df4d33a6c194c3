/* What the mesh's own counters said of the arm: picked from the journal once, for all windows. */
#include "verify/track.h"

#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MOST 9e15 /* doubles above it are no counts */

/* What a name is, asked once a name: rows are many, names are few. */
struct name_look {
    bool known;
    bool gauge;   /* as a counter's name */
    bool service; /* as a proxy's: it carries what goes to the service */
    unsigned row; /* as a counter's, of the meanings */
};

/* Envoy prefixes the gauge's name with the cluster's, and joins several of ours with the edge's
 * name. */
static const struct name_look *look_up(const struct track *t, struct name_look *names,
                                       uint32_t name)
{
    struct name_look *look = &names[name];
    if (!look->known) {
        const char *text = journal_name(t->journal, name), *found = strstr(text, GAUGE_OUT),
                   *arrow = strstr(text, " -> ");
        *look = (struct name_look){
            .known = true,
            .gauge = found != NULL && found[strlen(GAUGE_OUT)] == '\0',
            .service = arrow == NULL || strcmp(arrow + 4, t->service) == 0,
            .row = meaning_row(text),
        };
    }
    return look;
}

static int by_proxy_and_time(const void *a, const void *b)
{
    const struct track_counter *x = a, *y = b;
    if (x->proxy != y->proxy)
        return x->proxy < y->proxy ? -1 : 1;
    return (x->r->at > y->r->at) - (x->r->at < y->r->at);
}

static void add(struct track *t, struct name_look *names, const struct metric_row *m)
{
    const struct metric_record *r = &m->r;
    if (r->name >= t->journal->name_count || r->proxy >= t->journal->name_count)
        return;
    const struct name_look *look = look_up(t, names, r->name);
    if (look->gauge && look_up(t, names, r->proxy)->service)
        t->gauges[t->gauge_count++] = r;
    enum meaning meaning = meaning_by(look->row, journal_name(t->journal, r->labels));
    if (meaning != MEANINGS && r->value >= 0 && r->value < COUNT_MOST)
        t->counters[t->counter_count++] =
            (struct track_counter){r, (uint64_t)m->proc << 32 | r->proxy, meaning};
}

void track_find_metrics(struct track *t)
{
    const struct journal *j = t->journal;
    struct name_look *names = check_alloc_zero(j->name_count, sizeof(*names));
    t->counters = check_alloc((j->metric_count + 1) * sizeof(*t->counters));
    t->gauges = check_alloc((j->metric_count + 1) * sizeof(struct metric_record *));
    bool ours = false; /* the row's process is of the arm; the next row's is mostly the same */
    for (size_t i = 0; i < j->metric_count; i++) {
        if (i == 0 || j->metrics[i].proc != j->metrics[i - 1].proc) {
            const struct journal_proc *p = journal_proc_of(j, j->metrics[i].proc);
            ours = p != NULL && p->arm != NULL && strcmp(p->arm, t->arm) == 0;
        }
        if (ours)
            add(t, names, &j->metrics[i]);
    }
    free(names);
    sort_rows(t->counters, t->counter_count, sizeof(*t->counters), by_proxy_and_time);
}
