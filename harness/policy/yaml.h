#ifndef POLICY_YAML_H
#define POLICY_YAML_H

/* YAML as a tree with marks: the only user of libfyaml. It reads what Kubernetes would (scalars by
 * YAML 1.1's rules, as sigs.k8s.io/yaml does) and knows nothing of policies.
 *
 * It reads events, not libfyaml's documents, so that a hostile file ends at the first node past a
 * limit: aliases are followed here, share their target and cost what the target's nodes cost; merge
 * keys and path aliases are refused, duplicate keys are errors. Every error has file:line:column.
 */

#include "base/arena.h"

#define YAML_MAX_BYTES ((size_t)4 << 20)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES ((size_t)200000)
#define YAML_MAX_ANCHORS ((size_t)1000)

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_SEQUENCE };
/* What Kubernetes makes of a scalar. */
enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TEXT };

struct yaml_node;

struct yaml_pair {
    const char *key;      /* NULL in a sequence */
    struct source source; /* of the key, or of the item */
    const struct yaml_node *value;
};

struct yaml_node {
    enum yaml_kind kind;
    bool plain, open; /* a scalar without quotes or tag; a collection whose end was not yet read */
    uint32_t height;  /* levels below and with this node */
    size_t weight;    /* nodes below and with this one, aliases expanded */
    struct source source;
    const char *text; /* of a scalar, else NULL */
    const struct yaml_pair *pairs;
    size_t count; /* pairs of a map, items of a sequence */
};

/* Reads all documents of ${yaml}. Nodes, their text and ${file}'s copy live in ${arena}. Documents
 * that are empty are left out. ${nodes} says how many nodes there may be and is lowered by those
 * that are; at most YAML_MAX_NODES of one file. */
bool yaml_parse(struct bytes yaml, const char *file, size_t *nodes, struct arena *arena,
                const struct yaml_node ***ret_documents, size_t *ret_count,
                struct error *err) WARN_UNUSED;

/* The value at ${key}; NULL when ${map} is NULL or no map, or has no such key, or an explicit null.
 */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* The pair itself (its mark is the key's), null values too. */
const struct yaml_pair *yaml_find(const struct yaml_node *map, const char *key);
/* Text at ${key}, or NULL where it is no text. */
const char *yaml_get_text(const struct yaml_node *map, const char *key);
/* 0 for NULL, and for what is no sequence. */
size_t yaml_count(const struct yaml_node *sequence);
const struct yaml_node *yaml_item(const struct yaml_node *sequence, size_t index);
enum yaml_type yaml_scalar_type(const struct yaml_node *node);

/* Typed readers. The error has the node's mark and a sentence without a name: "is a map; it must be
 * ..."; callers put the field before it. */
bool yaml_read_text(const struct yaml_node *node, const char **ret, struct error *err) WARN_UNUSED;
bool yaml_read_bool(const struct yaml_node *node, bool *ret, struct error *err) WARN_UNUSED;
/* A whole number of 0..most. */
bool yaml_read_count(const struct yaml_node *node, uint64_t most, uint64_t *ret,
                     struct error *err) WARN_UNUSED;
/* Istio's durations, at most about 292 years so that they stay below INT64_MAX ns. */
bool yaml_read_go_duration(const struct yaml_node *node, uint64_t *ret_ns,
                           struct error *err) WARN_UNUSED;
/* Gateway API's (GEP-2257). */
bool yaml_read_gep_duration(const struct yaml_node *node, uint64_t *ret_ns,
                            struct error *err) WARN_UNUSED;

/* Makes a text that was cut, or came from elsewhere, UTF-8 again: each byte that is none becomes
 * '?'. */
void yaml_clean_text(char *text);

#endif
