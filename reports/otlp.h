#ifndef REPORTS_OTLP_H
#define REPORTS_OTLP_H

/* OTLP 1.x in its JSON form (opentelemetry-proto: ids in hex, 64-bit numbers as strings, enums as
 * numbers): what its traces and its metrics share. */

#include "reports/report.h"

/* {"key": ..., "value": {"stringValue"|"intValue": ...}}. Text is cleaned to what is printable. */
json_t *otlp_text(const char *key, const char *value);
json_t *otlp_number(const char *key, uint64_t value);
/* A time of the journal as nanoseconds since the epoch, in a string. The journal has one wall time,
 * of its beginning. */
json_t *otlp_time(const struct journal *j, uint64_t at_ns);
/* The resource: service.name meshproof, its version, and the run. */
json_t *otlp_resource(const struct report *report);
/* {"name": "meshproof", "version": ...} */
json_t *otlp_scope(const struct report *report);
bool otlp_write(json_t *take, FILE *to, struct error *err);

#endif
