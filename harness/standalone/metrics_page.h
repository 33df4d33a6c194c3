#ifndef STANDALONE_METRICS_PAGE_H
#define STANDALONE_METRICS_PAGE_H

/* Counters as the text format of Prometheus (0.0.4): what proxy_set_stats gives, nothing else. */

#include "base/text.h"

#include <jansson.h>

#define METRICS_PAGE_TYPE "text/plain; version=0.0.4; charset=utf-8"

void metrics_page_print(const json_t *stats, const char *version, struct text *to);

#endif
