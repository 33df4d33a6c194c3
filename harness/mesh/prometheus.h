#ifndef MESH_PROMETHEUS_H
#define MESH_PROMETHEUS_H

/* The Prometheus text format 0.0.4 (and what OpenMetrics adds at the end of a line, passed over),
 * as a proxy's /metrics gives it: foreign bytes. It knows no metric's meaning. */

#include "base/bytes.h"

#define PROMETHEUS_LABELS_MOST 64
#define PROMETHEUS_LINE_MOST_BYTES ((size_t)64 * 1024)

struct prometheus_label {
    struct bytes name, value; /* ${value} as it is written: \\, \" and \n are not resolved */
};
struct prometheus_sample {
    struct bytes name;
    struct prometheus_label labels[PROMETHEUS_LABELS_MOST];
    size_t label_count;
    double value; /* may be infinite or no number */
};
/* Every sample in order; views are valid within ${on_sample} only. False at the first line that is
 * none, or passes a limit, with its number: what was told before is not to be used. */
bool prometheus_parse(struct bytes text,
                      void (*on_sample)(void *cookie, const struct prometheus_sample *sample),
                      void *cookie, struct error *err) WARN_UNUSED;
/* ${at} NULL: it has no such label. */
struct bytes prometheus_label(const struct prometheus_sample *s, const char *name);

#endif
