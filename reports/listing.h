#ifndef REPORTS_LISTING_H
#define REPORTS_LISTING_H

/* What `meshproof show` lists of a run (scenario-language.md 6): one file a listing and a line in
 * listings.def. Each is text for people, and the records that the text speaks of. Times count from
 * the run's start; all text of a journal is printed clean. */

#include "reports/scene.h"

#define LISTING_MOST_BYTES ((size_t)64 * 1024 * 1024)

struct listing {
    const char *name; /* of its option: "ejection" */
    /* False: the run has no such thing, and the sentence names what it has. NULL: it is of the run
     * as a whole. */
    bool (*knows)(const struct scene *s, const char *of, struct error *err);
    void (*write)(const struct scene *s, const char *of, struct text *to);
    /* Of its records: kinds as in struct ndjson_pick. */
    uint64_t kinds;
    bool phases, events;
    /* NULL: all of those kinds. */
    bool (*keeps)(const struct scene *s, const char *of, enum record_kind kind, const void *row);
};
const struct listing *const *listings(size_t *ret_count);
/* ${of}: NULL where it has no argument. ERROR_USAGE: the run has no such thing; ERROR_LIMIT: past
 * LISTING_MOST_BYTES. */
bool listing_write(const struct listing *listing, const struct scene *s, const char *of, FILE *to,
                   struct error *err) WARN_UNUSED;
/* The same as NDJSON: the processes that wrote, then the records in order of time. */
bool listing_json(const struct listing *listing, const struct scene *s, const char *of, FILE *to,
                  struct error *err) WARN_UNUSED;

/* --- for its files --- */
/* "00:47.218"; "-00:02.000" before the run's start. */
void listing_time(const struct scene *s, uint64_t t_ns, struct text *to);
/* Who wrote it: the arm of a process; SUBJECT of one that knows no arms. */
const char *listing_arm(const struct scene *s, uint32_t proc);
/* The arms of the run, the subject first; ARENA of the caller's. */
const char **listing_arms(const struct scene *s, struct arena *arena, size_t *ret_count);
/* "arm right", where there are others than the subject. */
void listing_heading(const char *arm, size_t arms, struct text *to);
/* A FAIL, an INCONCLUSIVE, ... with its claim and its sentence, indented. */
void listing_verdict(const struct judged *d, struct text *to);

#endif
