#include "cli/arguments.h"
#include "cli/run_find.h"

#include "base/units.h"

/* meshproof show: one request as a sequence diagram, or a listing of the evidence. */

static const struct option show_options[] = {
    {"request", 0, "ID", NULL, "Show", "one request: c-18f2, or a whole x-meshproof-id", NULL,
     false},
    {"first-fail", 0, NULL, NULL, "Show", "the first request that made a claim fail", NULL, false},
    {"claim", 0, "ID", NULL, "Show", "with --first-fail: of this claim", NULL, false},
    {"faults", 0, NULL, NULL, "Show", "when each fault was armed and disarmed", NULL, false},
    {"refused", 0, NULL, NULL, "Show", "what was ended for what its peer had sent, and why", NULL,
     false},
    {"phases", 0, NULL, NULL, "Show", "the phases, and how each ended", NULL, false},
    {"json", 0, NULL, NULL, "Show", "all records, one JSON object a line", NULL, false},
};

static int print_sequence(const struct opened *o, uint64_t hi, uint64_t lo,
                          const struct judged *verdict)
{
    struct text t;
    struct error err = {0};
    int code = EXIT_PASS;
    text_init(&t, (size_t)1024 * 1024);
    if (sequence_print(&o->report, hi, lo, verdict, &t)) {
        fputs(text_get(&t), stdout);
    } else {
        error_set(&err, ERROR_USAGE, "the journal has no such request");
        code = command_fail(&err);
    }
    text_release(&t);
    return code;
}

static int show_request(const struct opened *o, const char *name)
{
    uint64_t hi, lo;
    struct error err = {0};
    if (!request_name_parse(o->journal, name, &hi, &lo)) {
        error_set(&err, ERROR_USAGE,
                  "--request is \"%.60s\"; it must be like c-18f2, a request of this run", name);
        return command_fail(&err);
    }
    for (size_t i = 0; i < o->judgement->verdict_count; i++) {
        const struct judged *d = &o->judgement->verdicts[i];
        if (d->verdict.kind == VERDICT_FAIL && d->verdict.witness_hi == hi &&
            d->verdict.witness_lo == lo)
            return print_sequence(o, hi, lo, d);
    }
    return print_sequence(o, hi, lo, NULL);
}

static int show_first_fail(const struct opened *o, const char *claim)
{
    struct error err = {0};
    for (size_t i = 0; i < o->judgement->verdict_count; i++) {
        const struct judged *d = &o->judgement->verdicts[i];
        if (d->verdict.kind == VERDICT_FAIL &&
            (d->verdict.witness_hi != 0 || d->verdict.witness_lo != 0) &&
            (claim == NULL || strcmp(d->claim->id, claim) == 0 ||
             strcmp(d->claim->word, claim) == 0))
            return print_sequence(o, d->verdict.witness_hi, d->verdict.witness_lo, d);
    }
    error_set(&err, ERROR_USAGE, "no claim%s%s failed with a request as its witness",
              claim == NULL ? "" : " ", claim == NULL ? "" : claim);
    return command_fail(&err);
}

static void show_faults(const struct journal *j)
{
    char at[40];
    uint64_t zero = report_zero_ns(j);
    static const char *const what[] = {"armed", "disarmed", "expired"};
    for (size_t i = 0; i < j->fault_count; i++) {
        const struct fault_record *r = &j->faults[i].r;
        const struct journal_proc *proc = journal_proc_of(j, j->faults[i].proc);
        printf("%s  %-8s fault %u  %s  on %s  (%s)  fired %u\n",
               units_print_time(r->at > zero ? r->at - zero : 0, at, sizeof(at)),
               what[r->what < 3 ? r->what : 0], r->fault, journal_name(j, r->params),
               journal_name(j, r->place), proc == NULL ? "?" : proc->arm, r->fired);
    }
}

/* Malformed and hostile bytes: whose they were, what they ended, and why (issue 4). */
static void show_refused(const struct journal *j)
{
    char at[40];
    uint64_t zero = report_zero_ns(j);
    struct text line;
    for (size_t i = 0; i < j->refusal_count; i++) {
        const struct refusal_record *r = &j->refusals[i].r;
        const struct journal_proc *proc = journal_proc_of(j, j->refusals[i].proc);
        const char *about = record_enum_name("about", r->about);
        text_init(&line, 4096);
        text_add(&line, "%s  ", units_print_time(r->at > zero ? r->at - zero : 0, at, sizeof(at)));
        report_add_clean(&line, proc == NULL ? "?" : proc->service);
        text_add(&line, "/%u  connection %u", r->endpoint, r->conn);
        if (r->side != 0)
            text_add(&line, " of the backend");
        if (r->mesh_conn != 0 && r->mesh_conn != r->conn)
            text_add(&line, " for %u", r->mesh_conn);
        if (r->stream != 0)
            text_add(&line, " stream %u", r->stream);
        else if (r->sequence != 0)
            text_add(&line, " request %u", r->sequence);
        text_add(&line, "  %-6s  ", about == NULL ? "?" : about);
        report_add_clean(&line, journal_name(j, r->reason));
        puts(text_get(&line));
        text_release(&line);
    }
}

static void show_phases(const struct journal *j)
{
    char from[40], to[40];
    uint64_t zero = report_zero_ns(j);
    for (size_t i = 0; i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        printf("%s .. %s  %-10s %-24s %s\n", units_print_time(p->t0_ns - zero, from, sizeof(from)),
               p->t1_ns == UINT64_MAX ? "never    "
                                      : units_print_time(p->t1_ns - zero, to, sizeof(to)),
               p->arm, p->name, p->why == NULL ? "" : p->why);
    }
    if (j->refusal_count > 0)
        printf("%zu times something was ended for what its peer had sent: show --refused\n",
               j->refusal_count);
}

static int run(const struct arguments *args)
{
    struct opened o;
    struct error err = {0};
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE, "show needs one run: meshproof show last --first-fail");
        return command_fail(&err);
    }
    int code = run_open(args->positions[0], &(struct judge_options){0}, &o);
    if (code == EXIT_PASS) {
        if (arguments_get(args, "request") != NULL)
            code = show_request(&o, arguments_get(args, "request"));
        else if (arguments_has(args, "first-fail"))
            code = show_first_fail(&o, arguments_get(args, "claim"));
        else if (arguments_has(args, "json"))
            code = journal_print_ndjson(o.journal, stdout, &err) ? EXIT_PASS : command_fail(&err);
        else if (arguments_has(args, "faults"))
            show_faults(o.journal);
        else if (arguments_has(args, "refused"))
            show_refused(o.journal);
        else
            show_phases(o.journal);
    }
    run_close(&o);
    return code;
}

const struct command command_show = {
    .name = "show",
    .about = "Show one request as a sequence diagram, or list the evidence.",
    .positions = "RUN",
    .options = show_options,
    .option_count = COUNT_OF(show_options),
    .exits = "0 shown  64 usage  65 the journal is damaged",
    .example = "meshproof show last --first-fail",
    .run = run,
};
