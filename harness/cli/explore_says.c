#include "cli/explore_says.h"

#include "base/clock.h"
#include "base/units.h"
#include "cli/outcome.h"

#define LINE_MOST_BYTES ((size_t)8192)
#define TEXT_MOST_BYTES ((size_t)2 * 1024 * 1024) /* the suite's and ours */
#define OPEN_SHOWN 12                             /* claims that stayed undecided, by name */

static void print_json(json_t *take)
{
    INVARIANT(take != NULL);
    json_dumpf(take, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    fflush(stdout);
    json_decref(take);
}

static json_t *event(const struct explore_says *s, const char *name)
{
    return json_pack("{s:i, s:I, s:s}", "v", 1, "t_ns", (json_int_t)(clock_now_ns() - s->begin_ns),
                     "event", name);
}

/* Whole seconds, up. */
static const char *span_text(uint64_t ns, char *to, size_t size)
{
    return units_print_duration((ns + NS_PER_S - 1) / NS_PER_S * NS_PER_S, to, size);
}

static json_t *schedule_json(const struct schedule *s)
{
    struct text t;
    text_init(&t, LINE_MOST_BYTES);
    schedule_print(s, &t);
    json_t *j = json_string(text_get(&t));
    text_release(&t);
    return j;
}

static void say_not_asked(const struct space *spaces, size_t count)
{
    struct text t;
    text_init(&t, LINE_MOST_BYTES);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < spaces[i].not_asked_count; k++)
            text_add(&t, " expect.%s", spaces[i].not_asked[k]);
    if (t.len > 0)
        fprintf(stderr, "left out, for a trial cannot show it:%s\n", text_get(&t));
    text_release(&t);
}

void explore_say_begin(const struct explore_says *s, const struct space *spaces, size_t count)
{
    char trial[32], budget[32];
    size_t claims = 0;
    for (size_t i = 0; i < count; i++)
        claims += spaces[i].expect_count;
    units_print_duration(spaces[0].calm_ns + spaces[0].lasting_ns, trial, sizeof(trial));
    units_print_duration(s->budget_ns, budget, sizeof(budget));
    if (s->json) {
        json_t *j = event(s, "explore.start");
        json_object_update_new(j, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "suite",
                                            s->suite, "seed", s->seed_text, "faults", s->words,
                                            "scenarios", (json_int_t)count, "expectations",
                                            (json_int_t)claims, "trial", trial, "budget", budget));
        print_json(j);
    } else if (!s->quiet) {
        fprintf(stderr, "explore  %s   seed %s   %zu expectation%s   trials of %s, for %s\n",
                s->suite, s->seed_text, claims, claims == 1 ? "" : "s", trial, budget);
        fprintf(stderr, "faults   %s\n", s->words);
        say_not_asked(spaces, count);
    }
}

static const char *const end_names[] = {"PASS", "INCONCLUSIVE", "FAIL", "BROKEN", "STOPPED"};

void explore_say_trial(void *cookie, const struct trial *t, const struct trial_result *result)
{
    static const char *const stages[] = {"trial", "replay", "smaller", "last"};
    const struct explore_says *s = cookie;
    char at[32], which[40];
    if (s->json) {
        json_t *j = event(s, "explore.trial");
        json_object_update_new(
            j, json_pack("{s:s, s:I, s:I, s:o, s:s, s:s*, s:s*, s:b}", "stage", stages[t->stage],
                         "trial", (json_int_t)t->number, "replay", (json_int_t)t->replay,
                         "schedule", schedule_json(t->schedule), "end", end_names[result->end],
                         "claim", result->end == TRIAL_FAIL ? result->claim : NULL, "on",
                         result->end == TRIAL_FAIL ? result->on : NULL, "right_fails",
                         result->right_fails));
        print_json(j);
        return;
    }
    if (s->quiet)
        return;
    struct text line;
    text_init(&line, LINE_MOST_BYTES);
    units_print_time(clock_now_ns() - s->begin_ns, at, sizeof(at));
    if (t->stage == TRIAL_DRAWN)
        snprintf(which, sizeof(which), "trial %llu", (unsigned long long)t->number);
    else if (t->stage == TRIAL_LAST)
        snprintf(which, sizeof(which), "last look");
    else
        snprintf(which, sizeof(which), "%s %u/%u", stages[t->stage], t->replay, s->replays);
    text_add(&line, "%s  %-12s %-12s ", at, which, end_names[result->end]);
    schedule_print(t->schedule, &line);
    if (result->end == TRIAL_FAIL)
        text_add(&line, "   (%s%s)", result->claim,
                 result->right_fails ? "; the right mesh beside it too" : "");
    fprintf(stderr, "%s\n", text_get(&line));
    text_release(&line);
}

const struct explore_evidence *explore_evidence_of(const struct explore_lab *lab)
{
    const struct explore_evidence *smallest = &lab->kept[EVIDENCE_SMALLEST];
    return smallest->run[0] != '\0' ? smallest : &lab->kept[EVIDENCE_DRAWN];
}

/* --- the end --- */

static bool is_found(const struct search_result *r)
{
    return r->end == SEARCH_FOUND || r->end == SEARCH_ONCE;
}

static size_t count_open(const struct explore_lab *lab)
{
    size_t open = 0;
    for (size_t i = 0; i < lab->claim_count; i++)
        open += lab->claims[i].passed + lab->claims[i].failed == 0;
    return open;
}

static json_t *found_json(const struct explore_says *s, const struct explore_end *e)
{
    const struct search_result *r = e->result;
    const struct explore_evidence *v = explore_evidence_of(e->lab);
    char journal[600];
    explore_journal(v->run, journal, sizeof(journal));
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:o, s:s, s:o}", "claim", r->failed.claim, "word",
                  r->failed.word, "on", r->failed.on, "policy", report_clean_json(v->policy),
                  "mark", v->mark, "seen", report_clean_json(v->seen));
    json_object_update_new(
        j, json_pack("{s:b, s:I, s:b, s:b, s:I, s:I, s:o, s:o, s:s, s:s, s:s}", "again",
                     r->end == SEARCH_FOUND, "replays", (json_int_t)s->replays, "minimal",
                     r->minimal, "right_fails", r->failed.right_fails, "trial",
                     (json_int_t)r->number, "faults", (json_int_t)r->smallest.count, "drawn",
                     schedule_json(&r->drawn), "smallest", schedule_json(&r->smallest), "suite",
                     e->file, "journal", journal, "seed", v->seed));
    return j;
}

static void end_json(const struct explore_says *s, const struct explore_end *e)
{
    const struct search_result *r = e->result;
    json_t *claims = json_array(), *doubted = json_array(), *j = event(s, "explore.end");
    for (size_t i = 0; i < e->lab->claim_count; i++) {
        const struct explore_claim *c = &e->lab->claims[i];
        json_array_append_new(claims, json_pack("{s:s, s:s, s:I, s:I}", "claim", c->claim, "on",
                                                c->on, "pass", (json_int_t)c->passed, "fail",
                                                (json_int_t)c->failed));
    }
    for (size_t i = 0; i < e->lab->doubted_count; i++)
        json_array_append_new(doubted, json_string(e->lab->doubted[i]));
    json_object_update_new(j, json_pack("{s:s, s:i, s:I, s:I, s:o, s:o}", "outcome",
                                        outcome_word(e->code), "exit", e->code, "trials",
                                        (json_int_t)r->trials, "decided", (json_int_t)r->decided,
                                        "claims", claims, "doubted", doubted));
    if (is_found(r))
        json_object_set_new(j, "found", found_json(s, e));
    print_json(j);
}

static void add_how(const struct explore_says *s, const struct search_result *r, struct text *t)
{
    char was[32], is[32];
    units_print_duration(r->drawn.lasting_ns, was, sizeof(was));
    units_print_duration(r->smallest.lasting_ns, is, sizeof(is));
    text_add(t, "      drawn    trial %llu: ", (unsigned long long)r->number);
    schedule_print(&r->drawn, t);
    text_add(t, "\n");
    if (r->end == SEARCH_ONCE && r->stopped) {
        text_add(t, "      once     it was stopped before %u replays, so it is not made smaller\n",
                 s->replays);
        return;
    }
    if (r->end == SEARCH_ONCE) {
        text_add(t, "      once     not in each of %u replays, so it is not made smaller\n",
                 s->replays);
        return;
    }
    text_add(t, "      shrunk   %zu fault%s to %zu, %s to %s; %llu smaller schedule%s tried\n",
             r->drawn.count, r->drawn.count == 1 ? "" : "s", r->smallest.count, was, is,
             (unsigned long long)r->tried, r->tried == 1 ? "" : "s");
    text_add(t, "      again    in %u of %u replays, each with a seed of its own\n", s->replays,
             s->replays);
    if (!r->minimal)
        text_add(t, "      not yet minimal: %s\n",
                 r->stopped       ? "it was stopped"
                 : r->last_failed ? "the time to shrink was over (--shrink)"
                                  : "the last look at a smaller one, beside a right mesh, did not "
                                    "show it");
    if (r->failed.right_fails)
        text_add(t, "      a right mesh under the same faults fails it too: the policy does not "
                    "keep what the suite wishes\n");
}

static void add_found(const struct explore_says *s, const struct explore_end *e, struct text *t)
{
    const struct search_result *r = e->result;
    const struct explore_evidence *v = explore_evidence_of(e->lab);
    char journal[600];
    explore_journal(v->run, journal, sizeof(journal));
    text_add(t, "FAIL  %s  %s   (%s)\n      policy   ", r->failed.word, r->failed.on,
             r->failed.claim);
    report_add_clean(t, v->policy);
    text_add(t, "%s%s\n      seen     ", v->mark[0] == '\0' ? "" : "   ", v->mark);
    report_add_clean(t, v->seen);
    text_add(t, "\n");
    add_how(s, r, t);
    text_add(t, "\n%s\n", e->suite);
    text_add(t, "made  %s   journal %s\nagain: meshproof run %s --seed %s%s\n", e->file, journal,
             e->file, v->seed, s->options);
}

/* What no trial decided is no evidence of anything. */
static void add_open(const struct explore_lab *lab, struct text *t)
{
    size_t open = count_open(lab), shown = 0;
    text_add(t, "%zu of %zu claims were decided at least once", lab->claim_count - open,
             lab->claim_count);
    for (size_t i = 0; i < lab->claim_count; i++) {
        const struct explore_claim *c = &lab->claims[i];
        if (c->passed + c->failed > 0 || shown == OPEN_SHOWN)
            continue;
        text_add(t, "%s%s", shown++ == 0 ? "; never: " : ", ", c->claim);
    }
    text_add(t, "%s\n", open > shown ? ", ..." : "");
}

static void add_doubts(const struct explore_end *e, struct text *t)
{
    if (e->result->doubted == 0)
        return;
    text_add(t,
             "in doubt: %llu failure%s, for a right mesh beside it FAILed too; a mistake of "
             "meshproof, or of this machine:",
             (unsigned long long)e->result->doubted, e->result->doubted == 1 ? "" : "s");
    for (size_t i = 0; i < e->lab->doubted_count; i++) {
        char journal[600];
        explore_journal(e->lab->doubted[i], journal, sizeof(journal));
        text_add(t, " %s", journal);
    }
    text_add(t, "\n");
}

void explore_say_end(const struct explore_says *s, const struct explore_end *e)
{
    static const char *const why[] = {
        [SEARCH_NOTHING] = "nothing found, the budget is over",
        [SEARCH_FOUND] = "found",
        [SEARCH_ONCE] = "seen once, not again",
        [SEARCH_STOPPED] = "stopped, nothing found",
        [SEARCH_BROKEN] = "no trial could be walked",
    };
    char took[32];
    struct text t;
    if (s->json) {
        end_json(s, e);
        return;
    }
    text_init(&t, TEXT_MOST_BYTES);
    if (is_found(e->result))
        add_found(s, e, &t);
    add_doubts(e, &t);
    if (e->lab->claim_count > 0)
        add_open(e->lab, &t);
    text_add(&t, "%s  %s: %llu trial%s in %s   seed %s   exit %d\n", outcome_word(e->code),
             why[e->result->end], (unsigned long long)e->result->trials,
             e->result->trials == 1 ? "" : "s",
             span_text(clock_now_ns() - s->begin_ns, took, sizeof(took)), s->seed_text, e->code);
    fputs(text_get(&t), stdout);
    text_release(&t);
}
