#include "cli/arguments.h"
#include "cli/judge_shows.h"

#include "base/units.h"
#include "mesh/defects.h"
#include "simulate/tally.h"
#include "stats/exact.h"
#include "verify/claims.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* meshproof judge: the judge on trial. Gates in virtual time whose truth is known: the right mesh
 * must not FAIL, a defect must (spec/verifier.md 5.6, 6.1). */

#define JOBS_MOST 64
#define KEPT_BYTES (32 * 1024 * 1024) /* the most that glibc takes for M_MMAP_THRESHOLD */
#define LEVEL_SHARE 4 /* one gate in so many more is judged at the levels of 5.6 (1) */
#define DEFECT_SHARE 500
#define DEFECT_LEAST 8
#define BOUND_ALPHA 0.05
/* A claim of n instances has no power against everything (verifier.md 3.1, backoff.law: a doubled
 * base from n = 180 on), so a miss now and then is counted, and is no failure. */
#define MISS_SHARE 0.05

static const struct option judge_options[] = {
    {"gates", 0, "N", "2000", "Choose", "gates of the right mesh", NULL, false},
    {"seed", 0, "HEX", "5eed", "Choose", "what the gates are drawn from", NULL, false},
    {"defect", 0, "NAME", NULL, "Choose", "this defect alone, and no right mesh", NULL, true},
    {"defects", 0, NULL, NULL, "Choose", "the defects alone", NULL, false},
    {"each", 0, "N", NULL, "Choose", "gates of each defect", NULL, false},
    {"show", 0, "SEED", NULL, "Choose", "one gate of the right mesh, or of --defect, told whole",
     NULL, false},
    {"save", 0, "FILE", NULL, "Choose", "with --show: its journal, for verify, report and show",
     NULL, false},
    {"by-hand", 0, NULL, NULL, "Choose",
     "gates of game days at random: no plan of the policy's, no defects", NULL, false},
    {"no-miss", 0, NULL, NULL, "Choose",
     "exit 1 on any defect that is missed, or never caught: for a fixed seed", NULL, false},
    {"jobs", 0, "N", NULL, "Where", "processes (one a core)", NULL, false},
    {"json", 0, NULL, NULL, "Results", "JSON instead of the tables", NULL, false},
};

struct trial {
    uint64_t gates, each, jobs, seed;
    bool right, by_hand;
    struct tally_defect_type defects[TALLY_DEFECTS_MOST];
    size_t defect_count;
    struct tally sum;
};

static void apply(void *cookie, struct model_config *m)
{
    defect_apply(cookie, m);
}

static bool is_chosen(const struct arguments *args, const char *name)
{
    const char *names[TALLY_DEFECTS_MOST];
    size_t count = arguments_all(args, "defect", names, COUNT_OF(names));
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

static void list_defects(struct trial *t, const struct arguments *args)
{
    size_t count;
    const struct defect *all = defects(&count);
    for (size_t i = 0; i < count && t->defect_count < TALLY_DEFECTS_MOST; i++) {
        if (claim_type_find(all[i].claim) == NULL || !is_chosen(args, all[i].name))
            continue;
        t->defects[t->defect_count++] = (struct tally_defect_type){
            .name = all[i].name,
            .claim = all[i].claim,
            .coupled = all[i].coupled,
            .flavour = all[i].flavour,
            .full = strcmp(all[i].name, "ejection_repeat_not_grown") == 0,
            .shows = judge_shows,
            .change = apply,
            .cookie = (void *)(uintptr_t)&all[i],
        };
    }
}

/* Every ${jobs}-th gate: which process judges a gate changes nothing of it. */
static void work(const struct trial *t, uint64_t job, struct tally *tally)
{
    for (uint64_t i = job; t->right && i < t->gates; i += t->jobs) {
        tally_right(tally, rng_mix(t->seed ^ rng_mix(i)), t->by_hand);
        if (i % LEVEL_SHARE == 0 && !t->by_hand)
            tally_level(tally, rng_mix(t->seed ^ rng_mix(i + (UINT64_C(1) << 40))),
                        i / LEVEL_SHARE % TALLY_LEVELS);
    }
    for (size_t d = 0; d < t->defect_count; d++)
        for (uint64_t i = job; i < t->each; i += t->jobs)
            tally_defect(tally, d, &t->defects[d],
                         rng_mix(t->seed ^ rng_mix(i + (UINT64_C(2) << 40))) + d);
}

static bool write_all(int fd, const void *at, size_t len)
{
    for (const char *from = at; len > 0;) {
        ssize_t n = write(fd, from, len);
        if (n < 0 && errno != EINTR)
            return false;
        from += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool read_all(int fd, void *at, size_t len)
{
    for (char *to = at; len > 0;) {
        ssize_t n = read(fd, to, len);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        to += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

struct job {
    pid_t pid;
    int from; /* its tally, once its gates are judged */
};

/* Each gate takes the same few megabytes again and gives them back: they stay with the process, and
 * the kernel does not clear them anew. */
static void keep_memory(void)
{
#ifdef M_TRIM_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, 4 * KEPT_BYTES);
#endif
}

static bool fork_job(const struct trial *t, uint64_t job, struct job *ret, struct error *err)
{
    int ends[2];
    if (pipe(ends) != 0)
        return error_system(err, errno, "a pipe for job %llu", (unsigned long long)job);
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return error_system(err, errno, "job %llu", (unsigned long long)job);
    }
    if (pid == 0) {
        keep_memory();
        struct tally *tally = check_alloc_zero(1, sizeof(*tally));
        close(ends[0]);
        work(t, job, tally);
        _exit(write_all(ends[1], tally, sizeof(*tally)) ? 0 : 1);
    }
    close(ends[1]);
    *ret = (struct job){pid, ends[0]};
    return true;
}

/* Waits for it, and adds what it has counted to the sum. */
static bool end_job(const struct job *j, uint64_t number, struct tally *share, struct tally *sum,
                    struct error *err)
{
    int status = 0;
    bool whole = read_all(j->from, share, sizeof(*share));
    close(j->from);
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (whole) {
        tally_add(sum, share);
        return true;
    }
    if (WIFSIGNALED(status))
        return error_set(err, ERROR_SYSTEM, "job %llu was ended by signal %d before its gates were",
                         (unsigned long long)number, WTERMSIG(status));
    return error_set(err, ERROR_SYSTEM, "job %llu ended before its gates did",
                     (unsigned long long)number);
}

static bool run_jobs(struct trial *t, struct error *err)
{
    struct job jobs[JOBS_MOST];
    struct error later = {0};
    struct tally *share = check_alloc_zero(1, sizeof(*share));
    uint64_t begun = 0;
    bool ok = true;
    while (ok && begun < t->jobs)
        if ((ok = fork_job(t, begun, &jobs[begun], err)))
            begun++;
    /* All are waited for, whatever went wrong; the first that did is told. */
    for (uint64_t i = 0; i < begun; i++)
        ok = end_job(&jobs[i], i, share, &t->sum, ok ? err : &later) && ok;
    free(share);
    return ok;
}

/* The gates of one claim say how often it may be wrong: not one in ... */
static void print_claims(const struct trial *t)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    printf("%-20s %9s %9s %9s %7s  %s\n", "claim", "judged", "PASS", "INCONCL.", "alarms",
           "below, at 95 %");
    for (size_t i = 0; i < count; i++) {
        const struct tally_claim *c = &t->sum.claims[i];
        if (c->judged == 0)
            continue;
        printf("%-20s %9llu %9llu %9llu %7llu  %.2g", types[i]->id, (unsigned long long)c->judged,
               (unsigned long long)c->pass, (unsigned long long)c->inconclusive,
               (unsigned long long)c->alarms, exact_share_hi(c->alarms, c->judged, BOUND_ALPHA));
        if (c->alarms > 0)
            printf("  --show %016llx", (unsigned long long)c->alarm_seed);
        printf("\n");
    }
}

/* False: some claim alarms more often than its level allows. */
static bool print_levels(const struct trial *t, bool quiet)
{
    size_t count;
    bool good = true;
    const struct claim_type *const *types = claim_types(&count);
    if (!quiet)
        printf("\nfirst stage alone: alarms of judged, at a = 1e-2, 1e-3, 1e-4 for each side\n");
    for (size_t i = 0; i < count; i++) {
        const struct tally_claim *c = &t->sum.claims[i];
        if (types[i]->class == CLAIM_DETERMINISTIC || c->level[0].judged == 0)
            continue;
        if (!quiet)
            printf("%-20s", types[i]->id);
        for (size_t k = 0; k < TALLY_LEVELS; k++) {
            bool over = tally_exceeds(c->level[k].alarms, c->level[k].judged,
                                      claim_type_sides(types[i]), tally_levels[k]);
            good = good && !over;
            if (!quiet)
                printf("  %5llu of %-7llu%s", (unsigned long long)c->level[k].alarms,
                       (unsigned long long)c->level[k].judged, over ? " TOO MANY" : "");
        }
        if (!quiet)
            printf("\n");
    }
    return good;
}

static void print_defects(const struct trial *t)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    printf("\n%-28s %-20s %6s %7s %9s %7s %6s\n", "defect", "claim", "gates", "caught", "INCONCL.",
           "missed", "others");
    for (size_t i = 0; i < t->defect_count; i++) {
        const struct tally_defect *d = &t->sum.defects[i];
        printf("%-28s %-20s %6llu %7llu %9llu %7llu %6llu", t->defects[i].name, t->defects[i].claim,
               (unsigned long long)d->gates, (unsigned long long)d->caught,
               (unsigned long long)d->inconclusive, (unsigned long long)d->missed,
               (unsigned long long)d->wrong);
        if (d->missed > 0)
            printf("  missed --show %llx", (unsigned long long)d->missed_seed);
        if (d->wrong > 0)
            printf("  %s --show %llx", types[d->wrong_claim]->id,
                   (unsigned long long)d->wrong_seed);
        if (d->gates == 0)
            printf("  no drawn policy shows it");
        printf("\n");
    }
}

static json_t *level_json(const struct tally_claim *c)
{
    json_t *list = json_array();
    for (size_t k = 0; k < TALLY_LEVELS; k++)
        json_array_append_new(list, json_pack("{s:f, s:I, s:I}", "level", tally_levels[k], "judged",
                                              (json_int_t)c->level[k].judged, "alarms",
                                              (json_int_t)c->level[k].alarms));
    return list;
}

static void print_json(const struct trial *t)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    json_t *claims = json_array(), *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct tally_claim *c = &t->sum.claims[i];
        if (c->judged > 0)
            json_array_append_new(
                claims,
                json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:o}", "claim", types[i]->id, "judged",
                          (json_int_t)c->judged, "pass", (json_int_t)c->pass, "inconclusive",
                          (json_int_t)c->inconclusive, "alarms", (json_int_t)c->alarms, "below",
                          exact_share_hi(c->alarms, c->judged, BOUND_ALPHA), "levels",
                          level_json(c)));
    }
    for (size_t i = 0; i < t->defect_count; i++) {
        const struct tally_defect *d = &t->sum.defects[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "defect", t->defects[i].name,
                            "claim", t->defects[i].claim, "gates", (json_int_t)d->gates, "caught",
                            (json_int_t)d->caught, "inconclusive", (json_int_t)d->inconclusive,
                            "missed", (json_int_t)d->missed, "others", (json_int_t)d->wrong));
    }
    json_t *all = json_pack("{s:I, s:I, s:I, s:o, s:o}", "gates", (json_int_t)t->sum.gates,
                            "alarmed", (json_int_t)t->sum.gates_alarmed, "broken",
                            (json_int_t)t->sum.broken, "claims", claims, "defects", list);
    (void)json_dumpf(all, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(all);
}

/* One gate, told whole: what an alarm or a miss was made of. */
static int show(const struct trial *t, uint64_t seed, bool defect, const char *save)
{
    struct error err = {0};
    struct edge_policy edge;
    struct gate_options o = tally_options(seed);
    struct gate g;
    struct text text;
    if (defect &&
        (t->defect_count != 1 || !tally_defect_options(&t->defects[0], seed, &edge, &o))) {
        error_set(&err, ERROR_USAGE, "no policy drawn from that seed shows this defect");
        return command_fail(&err);
    }
    o.by_json = true;
    o.by_hand = t->by_hand;
    if (!gate_run(&o, &g, &err) || (save != NULL && !journal_save(g.journal, save, &err))) {
        gate_release(&g);
        return command_fail(&err);
    }
    text_init(&text, (size_t)1 << 20);
    edge_policy_print(&g.edge, &text);
    printf("%s\nnoise %s, %s, %.1f s, %zu tries, %zu requests%s\n\n", text_get(&text),
           noise_names[o.noise], o.depth == DEPTH_FULL ? "full" : "quick",
           (double)g.length_ns / (double)NS_PER_S, g.journal->attempt_count,
           g.journal->request_count, g.repeated ? ", phases repeated" : "");
    text_release(&text);
    for (size_t i = 0; i < g.judgement->verdict_count; i++) {
        static const char *const kinds[] = {"PASS", "INCONCL.", "FAIL", "-"};
        const struct judged *d = &g.judgement->verdicts[i];
        if (d->verdict.kind != VERDICT_NOT_APPLICABLE)
            printf("%-8s %-20s %-14s %s\n", kinds[d->verdict.kind], d->claim->id,
                   d->phase_name == NULL ? "" : d->phase_name,
                   d->verdict.text == NULL ? "" : d->verdict.text);
    }
    bool fails = g.judgement->fail > 0;
    gate_release(&g);
    return fails ? EXIT_FAIL : EXIT_PASS;
}

static bool read_number(const struct arguments *args, const char *name, uint64_t fallback,
                        uint64_t *ret, struct error *err)
{
    const char *text = arguments_get(args, name);
    *ret = fallback;
    if (text == NULL || (bytes_to_u64(bytes_of(text), ret) && *ret > 0))
        return true;
    return error_set(err, ERROR_USAGE, "--%s must be a number from 1 on, not \"%s\"", name, text);
}

static bool read_seed(const char *text, uint64_t *ret, struct error *err)
{
    char *end = NULL;
    errno = 0;
    *ret = strtoull(text, &end, 16);
    return (errno == 0 && end != text && *end == '\0') ||
           error_set(err, ERROR_USAGE, "a seed is hexadecimal, not \"%s\"", text);
}

static uint64_t core_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > JOBS_MOST ? JOBS_MOST : (uint64_t)cores;
}

static bool read_arguments(const struct arguments *args, struct trial *t, struct error *err)
{
    if (!read_number(args, "gates", 0, &t->gates, err) ||
        !read_number(args, "jobs", core_count(), &t->jobs, err) ||
        !read_seed(arguments_get(args, "seed"), &t->seed, err))
        return false;
    uint64_t each = t->gates / DEFECT_SHARE;
    if (!read_number(args, "each", each < DEFECT_LEAST ? DEFECT_LEAST : each, &t->each, err))
        return false;
    if (t->jobs > JOBS_MOST)
        return error_set(err, ERROR_LIMIT, "at most %d jobs", JOBS_MOST);
    t->right = !arguments_has(args, "defects") && arguments_get(args, "defect") == NULL;
    list_defects(t, args);
    if (t->defect_count == 0)
        return error_set(err, ERROR_USAGE, "no such defect: see meshproof defects");
    t->by_hand = arguments_has(args, "by-hand");
    if (t->by_hand && !t->right)
        return error_set(err, ERROR_USAGE,
                         "--by-hand is of the right mesh: no plan says which claim must catch a "
                         "defect");
    t->defect_count = t->by_hand ? 0 : t->defect_count;
    return true;
}

/* By chance a defect may be missed now and then, but never where the same seed missed none. */
static bool is_missed(const struct tally_defect *d, bool never)
{
    if (never)
        return d->gates > 0 && (d->missed > 0 || d->caught == 0);
    return exact_share_lo(d->missed, d->gates, BOUND_ALPHA) > MISS_SHARE;
}

static void print_gates(const struct trial *t)
{
    printf("%llu gates of the right mesh: %llu FAIL, %llu PASS, %llu INCONCLUSIVE; %llu "
           "repeated; %llu at fixed levels; %llu could not be run",
           (unsigned long long)t->sum.gates, (unsigned long long)t->sum.gates_alarmed,
           (unsigned long long)t->sum.gates_pass, (unsigned long long)t->sum.gates_inconclusive,
           (unsigned long long)t->sum.repeated, (unsigned long long)t->sum.level_gates,
           (unsigned long long)t->sum.broken);
    if (t->sum.broken > 0)
        printf(" (--show %llx)", (unsigned long long)t->sum.broken_seed);
    printf("\n%.1f h of virtual time, %llu records\n\n",
           (double)t->sum.virtual_ns / 3600 / (double)NS_PER_S, (unsigned long long)t->sum.records);
}

/* The tables, and whether all was as it must. */
static int print_all(const struct trial *t, bool json, bool never)
{
    uint64_t wrong = t->sum.gates_alarmed + t->sum.broken;
    for (size_t i = 0; i < t->defect_count; i++)
        wrong += t->sum.defects[i].wrong + is_missed(&t->sum.defects[i], never);
    if (json) {
        print_json(t);
    } else {
        print_gates(t);
        print_claims(t);
    }
    bool levels = print_levels(t, json);
    if (!json)
        print_defects(t);
    return wrong > 0 || !levels ? EXIT_FAIL : EXIT_PASS;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct trial *t = check_alloc_zero(1, sizeof(*t));
    const char *one = arguments_get(args, "show");
    uint64_t seed = 0;
    int code = EXIT_PASS;
    if (!read_arguments(args, t, &err) || (one != NULL && !read_seed(one, &seed, &err))) {
        code = command_fail(&err);
    } else if (one != NULL) {
        code = show(t, seed, arguments_get(args, "defect") != NULL, arguments_get(args, "save"));
    } else if (!run_jobs(t, &err)) {
        code = command_fail(&err);
    } else {
        code = print_all(t, arguments_has(args, "json"), arguments_has(args, "no-miss"));
    }
    free(t);
    return code;
}

const struct command command_judge = {
    .name = "judge",
    .about = "Put the judge on trial: simulated gates whose truth is known.",
    .positions = "",
    .options = judge_options,
    .option_count = COUNT_OF(judge_options),
    .exits = "0 as it must  1 a false alarm, or a defect missed more than once in 20 (--no-miss: "
             "once)  64 usage",
    .example = "meshproof judge --gates 100000 --jobs 2",
    .run = run,
};
