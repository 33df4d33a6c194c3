#ifndef REPORTS_REPORT_H
#define REPORTS_REPORT_H

/* What every report is written from: one journal, its plan, and one judgement of it. A writer is
 * one file and one line in writers.def. Everything in a journal is hostile text: each writer
 * escapes for its own format, and terminals see printable characters only. */

#include "base/text.h"
#include "verify/judge.h"

#include <stdio.h>

enum on_inconclusive { INCONCLUSIVE_KEEP, INCONCLUSIVE_FAIL, INCONCLUSIVE_PASS };

struct report {
    const struct journal *journal;
    const struct judgement *judgement;
    const struct plan *plan; /* out of the journal; NULL: its row is missing */
    const char *version;
    enum on_inconclusive on_inconclusive;
    bool all; /* not-applicable claims too */
    /* What the charts share (reports/scene.h); NULL: each makes its own. */
    const struct scene *scene;
};

struct report_writer {
    const char *name, *help;
    bool (*write)(const struct report *report, FILE *to, struct error *err);
};
const struct report_writer *const *report_writers(size_t *ret_count);
const struct report_writer *report_writer_find(const char *name);

/* How the run ended, for the exit code (design.md section 9). */
enum report_ending { ENDED_COMPLETE, ENDED_ABORTED, ENDED_BROKEN, ENDED_NOT };
enum report_ending report_ending(const struct journal *j);
/* 0 pass, 1 fail, 2 inconclusive, 3 aborted, 4 surroundings; of several the first of 1 3 2 4 0. */
int report_exit(const struct report *report);
#define REPORT_OUTCOMES 5
const char *report_outcome(int exit_code); /* "PASS", "FAIL", ... */
const char *verdict_kind_name(enum verdict_kind kind);

/* A request as people name it: "c-18f2" (scenario-language.md 1.3): the sender, and its sequence in
 * hex. */
void request_name_print(const struct journal *j, uint64_t id_hi, uint64_t id_lo, char *to,
                        size_t size);
bool request_name_parse(const struct journal *j, const char *text, uint64_t *ret_hi,
                        uint64_t *ret_lo);

/* One request as a sequence diagram, for a terminal. False: the journal has no such request.
 * ${verdict}, may be NULL, is what it is the witness of. */
bool sequence_print(const struct report *report, uint64_t id_hi, uint64_t id_lo,
                    const struct judged *verdict, struct text *to);

/* Zero time of the run (the first phase's start), for MM:SS.mmm. */
uint64_t report_zero_ns(const struct journal *j);
/* When the last phase ended. */
uint64_t report_end_ns(const struct journal *j);
/* Appends only printable characters of ${from}; all others as '?'. */
void report_add_clean(struct text *to, const char *from);
/* ${from} as a JSON text, of its printable characters; NULL reads as "". The caller's. */
json_t *report_clean_json(const char *from);
/* The first event of that name, of the subject's walk or of the whole run; NULL: there is none. */
const struct journal_event *report_event(const struct journal *j, const char *what);
/* A text of its row; "" when it has none, and for no event. */
const char *report_event_text(const struct journal_event *e, const char *key);
/* A string of the journal's run row, "" when it is missing. */
const char *report_run_text(const struct journal *j, const char *key);
/* The same of its policy row: "target", "driver", "paths". */
const char *report_policy_text(const struct journal *j, const char *key);
/* The scenario was not walked, for what it needs was not here (the policy row's "missing"). */
bool report_lacks(const struct report *report, uint32_t scenario);

#endif
