#ifndef STANDALONE_TOXI_BODY_H
#define STANDALONE_TOXI_BODY_H

/* Bodies of requests as Go's encoding/json reads them, for Toxiproxy's clients may count on it:
 * keys in any case of letters, null as if it were not there, unknown keys passed over, what follows
 * the first value not read; and its words for what is wrong. */

#include "base/bytes.h"

#include <jansson.h>

/* The caller's reference. ERROR_INPUT: as Go says it. */
bool toxi_body_parse(struct bytes body, json_t **ret, struct error *err) WARN_UNUSED;
/* NULL: it is not there, or null. */
const json_t *toxi_body_get(const json_t *object, const char *key);
/* Leave ${ret} as it is when there is no such key. ${of}: Go's name of the struct. */
bool toxi_body_text(const json_t *object, const char *of, const char *key, const char **ret,
                    struct error *err) WARN_UNUSED;
bool toxi_body_bool(const json_t *object, const char *of, const char *key, bool *ret,
                    struct error *err) WARN_UNUSED;
bool toxi_body_number(const json_t *object, const char *of, const char *key, double *ret,
                      struct error *err) WARN_UNUSED;
bool toxi_body_integer(const json_t *object, const char *of, const char *key, json_int_t *ret,
                       struct error *err) WARN_UNUSED;
/* Go's word for the kind of a value: "number", "string". */
const char *toxi_body_kind(const json_t *value);

#endif
