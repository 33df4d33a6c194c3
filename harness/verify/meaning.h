#ifndef VERIFY_MEANING_H
#define VERIFY_MEANING_H

/* What a mesh's counter means to us, by its name and labels (metrics.def). */

enum meaning {
    MEANING_REQUESTS, /* tries that were sent: Envoy's upstream_rq_total */
    MEANING_RETRIES,
    MEANING_ROUTE_REQUESTS, /* a ServiceProfile's route: before retries, and after */
    MEANING_ROUTE_TRIES,
    MEANING_TRY_TIMEOUTS,
    MEANING_TIMEOUTS,
    MEANING_STATUS_1XX, /* answers to the caller, by class */
    MEANING_STATUS_2XX,
    MEANING_STATUS_3XX,
    MEANING_STATUS_4XX,
    MEANING_STATUS_5XX,
    MEANING_TRY_1XX, /* answers of the endpoints */
    MEANING_TRY_2XX,
    MEANING_TRY_3XX,
    MEANING_TRY_4XX,
    MEANING_TRY_5XX,
    MEANING_TRY_NONE, /* ended without a status */
    MEANINGS,
};
#define METRICS_CLASSES 5
#define GAUGE_OUT "ejections_active" /* no counter: how many hosts are out now */

/* MEANINGS: none. ${labels}: a="b",c="d". */
enum meaning meaning_of(const char *name, const char *labels);
/* The same in two steps, for names that come often: the name's row of metrics.def, from 1 (0: it
 * has none), and what a counter of that row means. */
unsigned meaning_row(const char *name);
enum meaning meaning_by(unsigned row, const char *labels);

#endif
