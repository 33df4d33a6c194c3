/* A comparison as people read it (spec/scenario-language.md 6, situation 9), and as JSON. */
#include "verify/compare.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

#define COLUMN 20
#define REST_COLUMN 57

static const char *const state_names[] = {[COMPARE_SAME] = "same",
                                          [COMPARE_BETTER] = "better",
                                          [COMPARE_WORSE] = "worse",
                                          [COMPARE_OPEN] = "open",
                                          [COMPARE_SHOWN] = "shown"};
static const char *const kind_names[] = {[VERDICT_PASS] = "PASS",
                                         [VERDICT_INCONCLUSIVE] = "INCONCLUSIVE",
                                         [VERDICT_FAIL] = "FAIL",
                                         [VERDICT_NOT_APPLICABLE] = "not applicable"};
static const char *const outcomes[] = {[VERDICT_PASS] = "no worse",
                                       [VERDICT_INCONCLUSIVE] = "not comparable",
                                       [VERDICT_FAIL] = "worse"};
static const double named[] = {0.5, 0.9, 0.95, 0.99, 0.999};

const char *compare_number_name(double quantile, char *to, size_t size)
{
    if (quantile <= 0)
        snprintf(to, size, "tries/request");
    else
        snprintf(to, size, "p%g", 100 * quantile);
    return to;
}

bool compare_quantile_parse(const char *text, double *ret)
{
    char name[32];
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (strcmp(compare_number_name(named[i], name, sizeof(name)), text) != 0)
            continue;
        *ret = named[i];
        return true;
    }
    return false;
}

static void add_printable(struct text *to, const char *from)
{
    struct arena arena;
    arena_init(&arena, (size_t)1024 * 1024);
    text_add(to, "%s", compare_clean(&arena, from));
    arena_release(&arena);
}

/* ---- claims ---- */

static void add_counts(const struct comparison *c, size_t side, struct text *to)
{
    text_add(to, "%zu pass", c->pass[side]);
    if (c->fail[side] > 0)
        text_add(to, " %zu fail", c->fail[side]);
    if (c->inconclusive[side] > 0)
        text_add(to, " %zu open", c->inconclusive[side]);
}

static const char *kind_of(const struct judged *d)
{
    return d == NULL ? "not asked" : kind_names[d->verdict.kind];
}

/* "retries checkout -> payments" and what it was and is. */
static void add_claim(const struct compared_claim *row, struct text *to)
{
    const struct judged *d = row->after != NULL ? row->after : row->before;
    text_add(to, "%s ", d->claim->word);
    add_printable(to, d->on);
    text_add(to, "\n%*s%s: %s, now %s", COLUMN, "", d->claim->id, kind_of(row->before),
             kind_of(row->after));
    if (d->phase_name != NULL) {
        text_add(to, "   phase \"");
        add_printable(to, d->phase_name);
        text_add(to, "\"");
    }
    if (row->after != NULL && row->after->verdict.kind != VERDICT_PASS &&
        row->after->verdict.text != NULL) {
        text_add(to, "\n%*s", COLUMN, "");
        add_printable(to, row->after->verdict.text);
    }
    text_add(to, "\n");
}

static void add_claims(const struct comparison *c, struct text *to)
{
    static const enum compare_state order[] = {COMPARE_WORSE, COMPARE_OPEN, COMPARE_BETTER,
                                               COMPARE_SHOWN};
    size_t start = to->len, told = 0;
    text_add(to, "claims");
    text_pad(to, start, COLUMN, 2);
    add_counts(c, 0, to);
    text_pad(to, start, 2 * COLUMN, 2);
    add_counts(c, 1, to);
    text_pad(to, start, REST_COLUMN, 2);
    for (size_t k = 0; k < COUNT_OF(order); k++) {
        for (size_t i = 0; i < c->claim_count; i++) {
            if (c->claims[i].state != order[k])
                continue;
            if (told++ > 0)
                text_add(to, "%*s", REST_COLUMN, "");
            add_claim(&c->claims[i], to);
        }
    }
    if (told == 0)
        text_add(to, "none\n");
}

/* ---- numbers ---- */

static void add_number(double quantile, double number, struct text *to)
{
    double ms = number / (double)NS_PER_MS;
    if (quantile <= 0)
        text_add(to, "%.2f", number);
    else if (ms < 10000)
        text_add(to, "%.*f ms", ms < 1 ? 2 : 1, ms);
    else
        text_add(to, "%.1f s", ms / 1000);
}

/* What a reader must see: what was judged, and what is told and lies outside all that chance and
 * COMPARE_RATIO allow. */
static bool is_printed(const struct compared_number *n)
{
    if (!n->told || n->phase == NULL || n->state != COMPARE_SHOWN)
        return n->told || n->state == COMPARE_OPEN;
    if (n->quantile > 0)
        return n->low > COMPARE_RATIO || n->high < 1 / COMPARE_RATIO;
    return n->low > 0 || n->high < 0;
}

static void add_state(const struct compared_number *n, struct text *to)
{
    if (n->state == COMPARE_WORSE)
        text_add(to, "  WORSE than x%g", COMPARE_RATIO);
    else if (n->state == COMPARE_SAME)
        text_add(to, "  no worse than %g", COMPARE_RATIO);
    else if (n->why != NULL)
        text_add(to, "  %s%s", n->state == COMPARE_OPEN ? "NOT TOLD: " : "", n->why);
}

static void add_row(const struct compared_number *n, struct text *to)
{
    char name[32];
    size_t start = to->len;
    compare_number_name(n->quantile, name, sizeof(name));
    if (n->phase == NULL)
        text_add(to, "%s", name);
    else
        text_add(to, "%s %s", n->quantile > 0 ? name : "tries", n->phase);
    text_pad(to, start, COLUMN, 2);
    if (!n->told) {
        text_add(to, "%llu requests", (unsigned long long)n->n_before);
        text_pad(to, start, 2 * COLUMN, 2);
        text_add(to, "%llu requests", (unsigned long long)n->n_after);
        text_pad(to, start, REST_COLUMN, 2);
        text_add(to, "needs %llu", (unsigned long long)n->needed);
    } else {
        double difference = n->quantile <= 0 ? n->after - n->before : n->after / n->before;
        add_number(n->quantile, n->before, to);
        text_pad(to, start, 2 * COLUMN, 2);
        add_number(n->quantile, n->after, to);
        text_pad(to, start, REST_COLUMN, 2);
        text_add(to, n->quantile <= 0 ? "%+.2f   [%.2f, %.2f]" : "x%.2f   [%.2f, %.2f]", difference,
                 n->low, n->high);
    }
    add_state(n, to);
    text_add(to, "\n");
}

static bool same_group(const struct compared_number *a, const struct compared_number *b)
{
    return strcmp(a->scenario, b->scenario) == 0 && strcmp(a->on, b->on) == 0;
}

static void add_numbers(const struct comparison *c, struct text *to)
{
    bool several =
        c->number_count > 0 && !same_group(&c->numbers[0], &c->numbers[c->number_count - 1]);
    for (size_t i = 0; i < c->number_count; i++) {
        const struct compared_number *n = &c->numbers[i];
        if (several && (i == 0 || !same_group(n, n - 1)))
            text_add(to, "scenario \"%s\"  %s\n", n->scenario, n->on);
        if (is_printed(n))
            add_row(n, to);
    }
}

/* Quantiles that no phase had requests enough for. */
static void say_too_few(const struct comparison *c, struct text *to, const char **label)
{
    for (size_t q = 0; q < COUNT_OF(named); q++) {
        uint64_t most = 0, needed = 0;
        bool told = false, asked = false;
        for (size_t i = 0; i < c->number_count; i++) {
            const struct compared_number *n = &c->numbers[i];
            if (fabs(n->quantile - named[q]) > 1e-9)
                continue;
            uint64_t least = n->n_before < n->n_after ? n->n_before : n->n_after;
            asked = true;
            told = told || n->told;
            most = least > most ? least : most;
            needed = n->needed;
        }
        if (!asked || told)
            continue;
        char name[32];
        text_add(to, "%-*s%s: at most %llu requests in a phase; needs %llu\n", COLUMN, *label,
                 compare_number_name(named[q], name, sizeof(name)), (unsigned long long)most,
                 (unsigned long long)needed);
        *label = "";
    }
}

void comparison_print(const struct comparison *c, const char *const names[2], struct text *to)
{
    static const int exits[] = {[VERDICT_PASS] = 0, [VERDICT_INCONCLUSIVE] = 2, [VERDICT_FAIL] = 1};
    enum verdict_kind outcome = comparison_outcome(c);
    const char *label = "not compared";
    size_t start = to->len;
    text_pad(to, start, COLUMN, 2);
    add_printable(to, names[0]);
    text_pad(to, start, 2 * COLUMN, 2);
    add_printable(to, names[1]);
    text_pad(to, start, REST_COLUMN, 2);
    text_add(to, "difference\n");
    add_claims(c, to);
    add_numbers(c, to);
    say_too_few(c, to, &label);
    for (int open = 1; open >= 0; open--) {
        label = open != 0 ? label : "to be known";
        for (size_t i = 0; i < c->said_count; i++) {
            if (c->said[i].open != (open != 0))
                continue;
            text_add(to, "%-*s%s\n", COLUMN, label, c->said[i].text);
            label = "";
        }
    }
    start = to->len;
    text_add(to, "%s", outcomes[outcome]);
    text_pad(to, start, 82, 2);
    text_add(to, "exit %d\n", exits[outcome]);
}

/* ---- JSON ---- */

static json_t *clean_json(const char *text)
{
    struct text t;
    if (text == NULL)
        return json_null();
    text_init(&t, (size_t)64 * 1024);
    add_printable(&t, text);
    json_t *to = json_string(text_get(&t));
    text_release(&t);
    return to;
}

static json_t *side_json(const struct judged *d)
{
    return d == NULL ? json_null()
                     : json_pack("{s:s, s:o}", "verdict", kind_names[d->verdict.kind], "text",
                                 clean_json(d->verdict.text));
}

static json_t *claim_json(const struct compared_claim *row)
{
    const struct judged *d = row->after != NULL ? row->after : row->before;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "claim", d->claim->id, "word",
                     d->claim->word, "scenario", clean_json(d->scenario_name), "phase",
                     clean_json(d->phase_name), "on", clean_json(d->on), "state",
                     state_names[row->state], "before", side_json(row->before), "after",
                     side_json(row->after));
}

static json_t *number_json(const struct compared_number *n)
{
    char name[32];
    json_t *to =
        json_pack("{s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:s, s:o}", "number",
                  compare_number_name(n->quantile, name, sizeof(name)), "scenario", n->scenario,
                  "phase", n->phase == NULL ? json_null() : json_string(n->phase), "on", n->on,
                  "requests_before", (json_int_t)n->n_before, "requests_after",
                  (json_int_t)n->n_after, "needed", (json_int_t)n->needed, "state",
                  state_names[n->state], "why", n->why == NULL ? json_null() : json_string(n->why));
    INVARIANT(to != NULL);
    if (n->told)
        json_object_update_new(to, json_pack("{s:f, s:f, s:f, s:f}", "before", n->before, "after",
                                             n->after, "low", n->low, "high", n->high));
    return to;
}

json_t *comparison_to_json(const struct comparison *c, const char *const names[2])
{
    json_t *claims = json_array(), *numbers = json_array(), *said = json_array();
    for (size_t i = 0; i < c->claim_count; i++)
        json_array_append_new(claims, claim_json(&c->claims[i]));
    for (size_t i = 0; i < c->number_count; i++)
        json_array_append_new(numbers, number_json(&c->numbers[i]));
    for (size_t i = 0; i < c->said_count; i++)
        json_array_append_new(
            said, json_pack("{s:s, s:b}", "text", c->said[i].text, "open", (int)c->said[i].open));
    return json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "v", 1, "outcome",
                     outcomes[comparison_outcome(c)], "before", clean_json(names[0]), "after",
                     clean_json(names[1]), "claims", claims, "numbers", numbers, "said", said);
}
