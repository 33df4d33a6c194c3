#ifndef PLAN_PLACE_H
#define PLAN_PLACE_H

/* Places of the scenario language (1.3): "b", "b/2", "b/any", "a -> b", "a -> b/2", "zone:a",
 * "b.ns@subset". */

#include "base/arena.h"

struct place_end {
    const char *service, *ns, *subset, *zone; /* NULL where absent */
    uint32_t endpoint;                        /* from 1; 0: all */
    bool any;                                 /* "b/any": one, drawn */
};
struct place {
    struct place_end from, to; /* from.service NULL: no edge; a lone place is in ${to} */
    const char *text;
};
/* The error's text is the language's: `is "b/0"; it must be a place: "a -> b", "b", "b/2", "b/any",
 * "zone:a"`. */
bool place_parse(const char *text, struct arena *arena, struct place *ret,
                 struct error *err) WARN_UNUSED;

#endif
