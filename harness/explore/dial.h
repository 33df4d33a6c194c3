#ifndef EXPLORE_DIAL_H
#define EXPLORE_DIAL_H

/* What explore may draw: the fault words, and of each its dials, the keys that it sets, with the
 * values that are worth trying. A dial's values are ordered, the simplest first: shrinking walks
 * down. The keys and their units are those of faults/ (dial_test.c holds each against the fault's
 * own rows). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dial_kind {
    DIAL_CHOICE, /* one of ${choices}; the value is its index */
    DIAL_COUNT,  /* ${least}..${most} */
    DIAL_TIME,   /* ns */
    DIAL_SIZE,   /* bytes */
    DIAL_SHARE,  /* parts per million */
};
struct dial {
    const char *key;
    enum dial_kind kind;
    const char *const *choices; /* NULL-terminated, as a suite has them; digits alone: a count */
    uint64_t least, most;
    uint32_t absent_percent; /* how often it is left out; 0: the fault needs it */
};
/* A dial that is not set: the fault's own default holds. */
#define DIAL_ABSENT UINT64_MAX
#define DIALS_MOST 6

/* What a service must speak for a fault to have a meaning there. */
enum speaks {
    SPEAKS_HTTP1 = 1,
    SPEAKS_HTTP2 = 2,
    SPEAKS_GRPC = 4,
    SPEAKS_TCP = 8,
    SPEAKS_TLS = 16, /* beside one of those: the lab's proxies speak mutual TLS */
};
/* One form of a fault; a word may have several. */
struct drawable {
    const char *word;
    unsigned speaks; /* any one of these; with SPEAKS_TLS: and TLS */
    uint32_t weight; /* among all that may be drawn */
    /* False: only when --faults names the word. Those acts reach beyond one call's stream: a gate
     * made of a policy leaves them out too (scenario-language.md 1.8). */
    bool usual;
    const struct dial *dials;
    size_t dial_count;
};
const struct drawable *drawables(size_t *ret_count);
/* The words, each once, sorted; the caller gives room for DRAWABLE_WORDS_MOST. */
#define DRAWABLE_WORDS_MOST 32
size_t drawable_words(const char **ret, bool usual_only);
/* SPEAKS_* of "http1", "http2", "grpc", "tcp" (NULL: http1); 0: none of these. */
unsigned speaks_of(const char *protocol);

/* The value as a suite has it ("250ms", "503", "30%"). ${ret_count}: it is a bare count, whose
 * number it gets; else UINT64_MAX. */
void dial_print(const struct dial *dial, uint64_t value, char *to, size_t size,
                uint64_t *ret_count);
/* The values that are simpler than ${value}, simplest first; returns how many of ${most} there are.
 * All of them are legal values of the dial. */
#define DIAL_SIMPLER_MOST 12
size_t dial_simpler(const struct dial *dial, uint64_t value, uint64_t ret[DIAL_SIMPLER_MOST]);

#endif
