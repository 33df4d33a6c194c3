#ifndef POLICY_PATH_REGEX_H
#define POLICY_PATH_REGEX_H

/* The pathRegex of a ServiceProfile, which Linkerd anchors at both ends (policy-semantics.md D4).
 * Known are literals, `.`, classes, \d \w \s and escaped punctuation, groups, `|`, `*`, `+`, `?`;
 * all else is refused, so that no route is judged by a wrong reading. Time is pattern times text,
 * whatever they are. */

#include "base/arena.h"
#include "base/bytes.h"

struct path_regex;

/* False: it uses what is not known here, or is too long. */
bool path_regex_parse(const char *pattern, struct arena *arena, const struct path_regex **ret);
bool path_regex_matches(const struct path_regex *regex, struct bytes text);
/* One of the shortest texts that it takes; NULL: none could be made. */
const char *path_regex_sample(const struct path_regex *regex, struct arena *arena);

#endif
