#ifndef REPORTS_CHART_H
#define REPORTS_CHART_H

/* The charts of the HTML report: one file and one line in charts.def each. A chart is a pure
 * function of the report; html.c gives it its section, its heading and a place in the jump bar. */

#include "reports/report.h"
#include "reports/svg.h"

/* What a chart says of itself, in words. */
struct chart_note {
    bool left_out;  /* there is no data: what was written is dropped */
    bool asked_for; /* the suite asked for what is missing: the run facts name ${text} */
    char text[512]; /* under the heading: what is shown, with its numbers; or what is missing */
};
struct chart {
    const char *name;    /* id of its section: "timeline" */
    const char *heading; /* "Latency by percentile" */
    const char *jump;    /* its word in the jump bar: "Latency" */
    bool whole;          /* takes the whole width; two that do not stand side by side */
    /* Writes one or more drawings (svg_open .. svg_close), tables too, into ${to->to}. False: our
     * own limit was reached. */
    bool (*write)(const struct report *report, struct svg *to, struct chart_note *ret,
                  struct error *err);
};
#define CHART(name, heading, jump, whole) \
    bool chart_##name(const struct report *report, struct svg *to, struct chart_note *ret, \
                      struct error *err);
#include "reports/charts.def"
#undef CHART
/* In the order of the page; ${ret_count} may be 0. */
const struct chart *charts_all(size_t *ret_count);

#endif
