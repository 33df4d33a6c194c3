#include "plan/plan.h"

#include "base/units.h"
#include "faults/fault.h"
#include "plan/fault_words.h"
#include "plan/guard_text.h"
#include "plan/human.h"

/* The dry run as people read it. Claims, their n and minutes are the planner's (verify) to add. */

#define WIDTH 100

/* Words of a line, broken at WIDTH with a hanging indent. */
struct line {
    struct text *to;
    size_t column, indent;
};

static void line_add(struct line *l, const char *word)
{
    size_t len = strlen(word);
    if (l->column + 2 + len > WIDTH && l->column > l->indent) {
        text_add(l->to, "\n%*s", (int)l->indent, "");
        l->column = l->indent;
    } else if (l->column > l->indent) {
        text_add(l->to, "  ");
        l->column += 2;
    }
    text_add(l->to, "%s", word);
    l->column += len;
}

static void add_value(struct text *to, const char *key, const json_t *value)
{
    if (json_is_string(value))
        text_add(to, " %s %s", key, json_string_value(value));
    else if (json_is_integer(value))
        text_add(to, " %s %lld", key, (long long)json_integer_value(value));
    else if (json_is_real(value))
        text_add(to, " %s %g", key, json_real_value(value));
    else if (json_is_array(value)) {
        text_add(to, " %s", key);
        for (size_t i = 0; i < json_array_size(value); i++)
            text_add(to, "%s%s", i == 0 ? " " : ",", json_string_value(json_array_get(value, i)));
    }
}

static void fault_words(const struct step *s, struct text *to)
{
    static const char *const shown[] = {"mode", "times", "streak", "ttl", "to_end_of"};
    char kind[96];
    struct arena arena;
    struct fault_use use;
    arena_init(&arena, 1 << 20);
    if (fault_use_from_json(s->word, s->keys, s->source, &arena, &use, NULL))
        text_add(to, "%s", fault_use_print(&use, kind, sizeof(kind)));
    else
        text_add(to, "%s", s->word);
    arena_release(&arena);
    fault_words_match(s->keys, to);
    if (s->has_on)
        text_add(to, " on %s", s->on.text);
    fault_words_share(s->keys, to);
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        if (json_object_get(s->keys, shown[i]) == NULL)
            continue;
        text_add(to, ",");
        add_value(to, shown[i], json_object_get(s->keys, shown[i]));
        if (strcmp(shown[i], "times") == 0)
            text_add(to, " (not replayable)");
    }
}

/* Who is told. */
static void print_notifies(const struct scenario *s, struct text *to)
{
    for (size_t i = 0; i < s->notify_count; i++) {
        const struct notify_plan *n = &s->notifies[i];
        text_add(to, "  notify %s %s", notify_word(n->kind),
                 n->url != NULL        ? n->url
                 : n->url_from != NULL ? n->url_from
                                       : "");
        for (size_t k = 0; k < n->event_count; k++)
            text_add(to, "%s%s", k == 0 ? "  of " : ", ", n->events[k]);
        text_add(to, "\n");
    }
}

static size_t count_questions(const struct step *steps, size_t count, uint64_t *longest_ns)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        uint64_t within_ns = HUMAN_WITHIN_NS;
        const char *text = json_string_value(json_object_get(s->keys, "within"));
        n += count_questions(s->steps, s->step_count, longest_ns);
        if (s->kind != STEP_EXPECT || strcmp(s->word, "human") != 0)
            continue;
        n++;
        if (text == NULL || units_parse_duration(text, &within_ns, NULL))
            *longest_ns = within_ns > *longest_ns ? within_ns : *longest_ns;
    }
    return n;
}

/* What is asked when a phase is over, and waited for when the last one is. */
static void print_questions(const struct scenario *s, struct text *to)
{
    char wait[40];
    uint64_t longest_ns = 0;
    size_t n = count_questions(s->steps, s->step_count, &longest_ns);
    for (size_t i = 0; i < s->phase_count; i++)
        n += count_questions(s->phases[i].steps, s->phases[i].step_count, &longest_ns);
    if (n > 0)
        text_add(to, "  %zu question%s after %s: answers are waited for at most %s longer\n", n,
                 n == 1 ? "" : "s", n == 1 ? "its phase" : "their phases",
                 guard_spoken(longest_ns, wait, sizeof(wait)));
}

static void claim_words(const struct step *s, struct text *to)
{
    const char *key;
    json_t *value;
    static const char *const families[] = {
        [STEP_EXPECT] = "expect", [STEP_CERT] = "cert", [STEP_AWAIT] = "await"};
    const char *ask = json_string_value(json_object_get(s->keys, "ask"));
    text_add(to, "%s %s", families[s->kind], s->word);
    if (ask != NULL)
        guard_quote(ask, to);
    if (s->has_on)
        text_add(to, " %s", s->on.text);
    json_object_foreach(s->keys, key, value)
    {
        if (strcmp(key, "on") != 0 && strcmp(key, "note") != 0 && strcmp(key, "ask") != 0)
            add_value(to, key, value);
    }
}

static void add_steps(struct line *l, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char from[32], end[32] = "";
        struct text words;
        const struct step *s = &steps[i];
        text_init(&words, 4096);
        units_print_duration(s->from_ns, from, sizeof(from));
        if (s->kind == STEP_FAULT)
            fault_words(s, &words);
        else if (s->kind <= STEP_AWAIT)
            claim_words(s, &words);
        else if (s->kind == STEP_AT)
            text_add(&words, "at %s:", from);
        else if (s->kind == STEP_GROUP)
            text_add(&words, "together:");
        else
            text_add(&words, "during %s..%s:", from,
                     s->to_ns == UINT64_MAX ? ""
                                            : units_print_duration(s->to_ns, end, sizeof(end)));
        line_add(l, text_get(&words));
        text_release(&words);
        add_steps(l, s->steps, s->step_count);
    }
}

static void print_load(const struct load_plan *l, const char *indent, struct text *to)
{
    char rate[32], apart[32];
    text_add(to, "%sload %s  %s  ", indent, l->closed ? "closed" : "open", l->on.text);
    if (l->closed)
        text_add(to, "%u user%s", l->users, l->users == 1 ? "" : "s");
    else
        text_add(to, "%s%s",
                 l->rate_per_h == 0 ? "" : units_print_rate(l->rate_per_h, rate, sizeof(rate)),
                 !l->enough           ? ""
                 : l->rate_per_h == 0 ? "as much as the claims need"
                                      : ", as much as the claims need");
    text_add(to, "  %s %s", l->method != NULL ? l->method : "GET", l->path != NULL ? l->path : "/");
    uint64_t tagged = 0;
    for (size_t i = 0; i < l->tagged_count; i++)
        tagged += l->tagged[i].count;
    if (tagged > 0)
        text_add(to, "  %llu tagged (%zu tag%s)", (unsigned long long)tagged, l->tagged_count,
                 l->tagged_count == 1 ? "" : "s");
    uint64_t apart_ns = tagged_longest_gap_ns(l);
    if (apart_ns > l->tag_every_ns)
        text_add(to, ", up to %s apart", units_print_duration(apart_ns, apart, sizeof(apart)));
    text_add(to, "\n");
}

static void print_phase(const struct phase *p, struct text *to)
{
    char lasts[40], name[120];
    snprintf(name, sizeof(name), "phase \"%.80s\"", p->name);
    text_add(to, "  %s %s%s", name, p->ends == PHASE_BY_CLOCK ? "" : "at most ",
             guard_spoken(phase_most_ns(p), lasts, sizeof(lasts)));
    text_add(to, "\n");
    for (size_t i = 0; i < p->load_count; i++)
        print_load(&p->loads[i], "    ", to);
    struct line l = {to, 4, 4};
    if (p->step_count > 0) {
        text_add(to, "    ");
        add_steps(&l, p->steps, p->step_count);
        text_add(to, "\n");
    }
}

static bool is_missing(const struct scenario *s, const char *need)
{
    for (const char *at = s->missing; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (strlen(need) == len && strncmp(at, need, len) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

static void print_needs(const struct scenario *s, struct text *to)
{
    for (size_t i = 0; i < s->need_count; i++)
        text_add(to, "     needs %s%s", s->needs[i],
                 is_missing(s, s->needs[i]) ? ": missing here (meshproof doctor says how)" : "");
}

/* Whoever reads the plan would think that they are judged. */
static void print_unasked(const struct scenario *s, struct text *to)
{
    for (size_t i = 0; i < s->unasked_count; i++) {
        const struct unasked *u = &s->unasked[i];
        for (size_t k = 0; k < u->claim_count; k++)
            text_add(to, "%s%s", k == 0 ? "  not asked: " : ", ", u->claims[k]);
        text_add(to, "\n    why: %s\n", u->why);
    }
}

static void print_scenario(const struct scenario *s, struct text *to)
{
    char lasts[40];
    uint64_t total = plan_settle_ns(s);
    bool fixed = true;
    for (size_t i = 0; i < s->phase_count; i++) {
        total += phase_most_ns(&s->phases[i]);
        fixed = fixed && s->phases[i].ends == PHASE_BY_CLOCK;
    }
    text_add(to, "scenario \"%s\"", s->name);
    if (s->phase_count > 0)
        text_add(to, "      %s %s", fixed ? "about" : "at most",
                 guard_spoken(total, lasts, sizeof(lasts)));
    if (s->mesh.word != NULL)
        text_add(to, "     %s%s%s%s", s->mesh.word, s->mesh.version != NULL ? "@" : "",
                 s->mesh.version != NULL ? s->mesh.version : "",
                 s->arm == NULL ? "" : ", in turn with the other arms");
    print_needs(s, to);
    text_add(to, "\n");
    for (size_t i = 0; i < s->mesh.policy_count; i++)
        text_add(to, "  policy %s\n", s->mesh.policy[i]);
    for (size_t i = 0; i < s->lab.service_count; i++)
        text_add(to, "  service %s  %u endpoint%s\n", s->lab.services[i].name,
                 s->lab.services[i].endpoints, s->lab.services[i].endpoints == 1 ? "" : "s");
    for (size_t i = 0; i < s->load_count; i++)
        print_load(&s->loads[i], "  ", to);
    guards_print_text(s, to);
    print_notifies(s, to);
    if (s->from_policy && s->phase_count == 0)
        text_add(to, "  phases: made from the policy, one scenario an edge\n");
    for (size_t i = 0; i < s->phase_count; i++)
        print_phase(&s->phases[i], to);
    print_questions(s, to);
    print_unasked(s, to);
    struct line l = {to, 2, 2};
    if (s->step_count > 0) {
        text_add(to, "  ");
        add_steps(&l, s->steps, s->step_count);
        text_add(to, "\n");
    }
}

void plan_print_text(const struct plan *p, struct text *to)
{
    for (size_t i = 0; i < p->scenario_count; i++)
        print_scenario(&p->scenarios[i], to);
}
