#ifndef REPORTS_SCENE_H
#define REPORTS_SCENE_H

/* What the charts of a report share: the walk of the subject on one axis of time, and the
 * verifier's own tracks and windows of its edges, so that a chart draws what was judged and reads
 * nothing a second time. A journal without a plan has a scene too, with no edges. */

#include "reports/report.h"
#include "verify/hearing.h"

/* An edge of one scenario, walked by the subject. */
struct scene_edge {
    uint32_t scenario;
    const struct edge_policy *policy;
    const struct track *track;
    const char *name;  /* "client -> payments", as the journal has it */
    const char *shown; /* the same with an arrow, as people read it */
    uint32_t requests;
};
struct scene {
    const struct report *report;
    const struct journal *journal;
    struct hearing hearing;
    struct judgement none;    /* the hearing's: nothing is judged here */
    bool heard;               /* false: no plan, or it cannot be read */
    uint64_t zero_ns, end_ns; /* of the subject's phases; equal: there is nothing to draw */
    uint64_t abort_ns;        /* 0: nobody aborted */
    const struct journal_phase **phases; /* the subject's, by time */
    size_t phase_count;
    struct scene_edge *edges; /* those with requests or tries */
    size_t edge_count;
    struct arena arena;
};

struct scene *scene_new(const struct report *report);
void scene_free(struct scene *s);
/* The report's own scene, or a new one that ${own} is set to; scene_free(${own}) in any case. */
const struct scene *scene_get(const struct report *report, struct scene **own);

/* The process is the subject's, or a part of the run that knows no arms. */
bool scene_is_subject(const struct scene *s, uint32_t proc);
/* It is the subject's load: its requests are those of the user. */
/* Whether a verdict's place, "client -> payments", "payments" or "payments/2", is the service. */
bool scene_is_on(const char *on, const char *service);
bool scene_is_load(const struct scene *s, uint32_t proc);
/* The request (or per-try) timeout that all edges with requests declare; 0: none, or several. */
uint64_t scene_timeout_ns(const struct scene *s, bool per_try);
/* The window of an edge: over a phase, or over all of its scenario (NULL). False: it is empty. */
bool scene_window(const struct scene *s, const struct scene_edge *e,
                  const struct journal_phase *phase, struct window *ret);
/* From the start of the run; 0 for what was before it. */
uint64_t scene_time(const struct scene *s, uint64_t t_ns);
/* The scenario that was walked at that time; UINT32_MAX: none. */
uint32_t scene_scenario_at(const struct scene *s, uint64_t t_ns);
const char *scene_scenario_name(const struct scene *s, uint32_t scenario);
/* A FAIL of the subject, of the claim (or family "eject.") on that service in that scenario. */
const struct judged *scene_failure(const struct scene *s, uint32_t scenario, const char *service,
                                   const char *claim);

#endif
