#ifndef STANDALONE_TOXI_LIST_H
#define STANDALONE_TOXI_LIST_H

/* Toxics as Toxiproxy writes them, which is proxy_set's form of them too ("toxics" of a proxy):
 *
 *   {"attributes": {"latency": 100, "jitter": 0}, "name": "latency_downstream", "type": "latency",
 *    "stream": "downstream", "toxicity": 1}
 */

#include "net/toxic.h"

#include <jansson.h>

#define TOXI_NAME_MOST 200 /* bytes of a toxic's name */

/* ${before}: what was in force, so that what stays is known as such; may be NULL. ${last}: the last
 * id or version given; goes on. The caller holds ${ret} once. */
bool toxi_list_read(const json_t *toxics, const struct toxic_list *before, uint32_t *last,
                    struct toxic_list **ret, struct error *err) WARN_UNUSED;
/* TOXIC_KINDS: there is no such type. */
enum toxic_kind toxi_list_kind(const char *type);
/* In any case of letters, as Toxiproxy. */
bool toxi_list_side(const char *stream, enum side *ret);

#endif
