#ifndef REPORTS_COUNTED_H
#define REPORTS_COUNTED_H

/* The mesh's own counters beside what the wire shows, in the window in which the judge compared
 * them: rows for a chart and for a listing. Nothing is judged here. */

#include "reports/scene.h"
#include "verify/metrics.h"

#define COUNTED_ROWS 8

struct counted_row {
    const char *name; /* the mesh's own, to be searched for */
    uint64_t mesh;
    struct metrics_bounds wire;
    uint64_t off;                 /* beyond the nearer bound; 0: it agrees */
    const struct judged *verdict; /* NULL: nobody asked */
};
struct counted {
    const struct journal_phase *phase; /* NULL: over all of the scenario */
    struct meter meter;
    struct counted_row rows[COUNTED_ROWS];
    size_t count;
};
/* The worst verdict of a claim, or of all "metrics.", on that edge; NULL: none was asked. */
const struct judged *counted_verdict(const struct scene *s, const struct scene_edge *e,
                                     const char *claim);
/* False: the counters were not read at two quiet moments, or show nothing that the wire does;
 * ${ret_why}, in ${arena}, is untouched where there is no more to say. */
bool counted_read(const struct scene *s, const struct scene_edge *e, struct arena *arena,
                  struct counted *ret, const char **ret_why);

#endif
