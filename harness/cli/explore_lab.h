#ifndef CLI_EXPLORE_LAB_H
#define CLI_EXPLORE_LAB_H

/* The search's oracle: a trial walked by the conductor as `run` walks, on a lab of its own, and
 * judged from its journal. Nothing of a trial outlives it but the journals that are kept as
 * evidence. */

#include "cli/exception_file.h"
#include "cli/prepare.h"
#include "explore/search.h"

#include <signal.h>

#define EXPLORE_CLAIMS_MOST 256
#define EXPLORE_DOUBTS_MOST 8

/* A claim that was asked, over all drawn trials. */
struct explore_claim {
    char claim[48], on[200];
    uint64_t passed, failed;
};
/* A run that FAILed: its id ("": none), its seed, and the verdict's words. */
struct explore_evidence {
    char run[9], seed[9];
    char policy[300], mark[300], seen[500];
};
struct explore_lab {
    const struct arguments *args;
    struct prepared *prepared;
    const struct space *spaces;
    struct exception_file *exceptions;
    const volatile sig_atomic_t *interrupted;
    const char *program;
    const char *const *argv; /* of the run that shows a found failure again */
    size_t argc;
    /* After each trial. */
    void (*on_trial)(void *cookie, const struct trial *t, const struct trial_result *result);
    void *cookie;
    /* What came of it. */
    struct explore_claim claims[EXPLORE_CLAIMS_MOST];
    size_t claim_count;
    struct explore_evidence kept[EVIDENCES];
    char doubted[EXPLORE_DOUBTS_MOST][9]; /* runs in which a right mesh FAILed what it must keep */
    size_t doubted_count;
    bool approved; /* somebody agreed to the first trial */
    int code;      /* EXIT_PASS, or why we stopped: aborted, not undone, refused */
};

/* search_oracle's; the cookie is the lab. */
void explore_lab_judge(void *cookie, const struct trial *t, struct trial_result *ret);
void explore_lab_keep(void *cookie, enum search_evidence from, enum search_evidence to);
uint64_t explore_lab_now_ns(void *cookie);
/* Journals that are evidence of nothing that is told. */
void explore_lab_tidy(struct explore_lab *lab);

/* ".meshproof/runs/RUN.db". */
void explore_journal(const char *run, char *to, size_t size);
/* The scenario of a trial is called so. */
const char *explore_name(const struct trial *t, char *to, size_t size);

/* explore_judge.c: what the journal at ${path} shows of a trial. ${ret_evidence} gets its words
 * where something FAILed. */
bool explore_judge(struct explore_lab *lab, const struct trial *t, const char *path,
                   const struct plan *plan, struct trial_result *ret,
                   struct explore_evidence *ret_evidence, struct error *err) WARN_UNUSED;

#endif
