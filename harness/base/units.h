#ifndef BASE_UNITS_H
#define BASE_UNITS_H

/* Quantities as people write them (spec/scenario-language.md 1.1): "250ms", "1m30s", "30%",
 * "200/s", "64KiB", "1Mbit". Exact: no floating point decides a value. Each parser takes the whole
 * text, or fails with ERROR_INPUT and a sentence without a name: "is 400; it must be a duration
 * such as ..."; callers put the name before it. Zero is written with its unit; negative values do
 * not exist. */

#include "base/error.h"

bool units_parse_duration(const char *text, uint64_t *ret_ns, struct error *err) WARN_UNUSED;
/* "30%", up to 3 decimals, at most 100 %: parts per million. */
bool units_parse_share(const char *text, uint64_t *ret_ppm, struct error *err) WARN_UNUSED;
/* "200/s", "5/m", "10/h": per hour, so that all three are exact. */
bool units_parse_rate(const char *text, uint64_t *ret_per_h, struct error *err) WARN_UNUSED;
/* "4096B", "64KiB", "1MiB", "2kB": bytes. */
bool units_parse_size(const char *text, uint64_t *ret_bytes, struct error *err) WARN_UNUSED;
/* "64KiB/s", "1Mbit": bytes a second. */
bool units_parse_byterate(const char *text, uint64_t *ret_bytes_per_s,
                          struct error *err) WARN_UNUSED;
/* Go's and protobuf's durations of Istio fields: "1.5s", "1m30s", "300ms", "2h45m". */
bool units_parse_go_duration(const char *text, uint64_t *ret_ns, struct error *err) WARN_UNUSED;
/* Gateway API durations (GEP-2257): ^([0-9]{1,5}(h|m|s|ms)){1,4}$. */
bool units_parse_gep_duration(const char *text, uint64_t *ret_ns, struct error *err) WARN_UNUSED;

/* Prints in the unit that reads best and parses back to the same value ("600ms", "1m30s", "30%").
 * Each returns ${to}. 32 bytes are always enough. */
const char *units_print_duration(uint64_t ns, char *to, size_t size);
const char *units_print_share(uint64_t ppm, char *to, size_t size);
const char *units_print_rate(uint64_t per_h, char *to, size_t size);
const char *units_print_size(uint64_t bytes, char *to, size_t size);
/* "00:47.218", or "H:MM:SS.mmm" from an hour on. */
const char *units_print_time(uint64_t ns, char *to, size_t size);

#endif
