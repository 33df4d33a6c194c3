#ifndef POLICY_KIND_H
#define POLICY_KIND_H

/* The kinds that there are: which mesh reads them since which version, and which dialect reads them
 * here. */

#include "policy/policy.h"

struct object;

enum dialect {
    DIALECT_NONE, /* known, and no resilience policy */
#define READER(NAME, name, what) DIALECT_##NAME,
#include "policy/readers.def"
#undef READER
    DIALECT_NOT_JUDGED, /* known, has a say in what is measured, but is not read here */
};

#define MESH_BIT(mesh) (1U << (unsigned)(mesh))

struct kind {
    const char *group, *kind;
    const char *versions; /* "v1 v1beta1"; "" any */
    enum dialect dialect;
    unsigned meshes;       /* MESH_BIT: who reads it */
    uint32_t major, minor; /* since when, for a mesh that ${since_mesh} has; 0: always */
    unsigned since_mesh;
};

/* NULL: no such kind. */
const struct kind *kind_find(const char *group, const char *kind);
/* Whether a group is one whose kinds are all in the table, so that another kind is an error. */
bool kind_group_known(const char *group);
bool kind_has_version(const struct kind *kind, const char *version);

#endif
