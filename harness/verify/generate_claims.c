/* Which requests the claims need (spec/verifier.md 4.2 A, scenario-language.md 1.8): one tag a
 * cause, with its fault. */
#include "verify/making.h"

#include "base/clock.h"
#include "base/units.h"
#include "verify/claims.h"
#include "verify/timeout.h"

#define CAUSE_LEAST 10
#define STRICT_LEAST 66
#define UNLISTED_LEAST 6
#define FIRST_RETRIES_LEAST 66 /* retry.other_host asks for 60, backoff.law for 40 */

void making_step(struct making *m, struct step step)
{
    INVARIANT(m->step_count < making_steps_most(m));
    m->steps[m->step_count++] = step;
}

const char *making_ms(const struct making *m, uint64_t ns)
{
    char text[32];
    return arena_strdup(&m->p->arena,
                        units_print_duration(ns / NS_PER_MS * NS_PER_MS, text, sizeof(text)));
}

bool making_wants(const struct making *m, const char *id)
{
    const struct claim_type *type = claim_type_find(id);
    const struct generate_options *o = m->options;
    bool wanted = o->claim_count == 0;
    if (type == NULL || !type->applies(m->edge))
        return false;
    for (size_t i = 0; i < o->claim_count; i++)
        wanted = wanted || claim_type_is(type, o->claims[i]);
    for (size_t i = 0; i < o->except_count; i++)
        wanted = wanted && !claim_type_is(type, o->except[i]);
    return wanted;
}

void making_expect(struct making *m, const char *word, const char *on, const char *const *parts)
{
    struct step step = step_make(m->p, STEP_EXPECT, word, on, m->options->source, NULL);
    json_t *only = json_array();
    size_t type_count;
    const struct claim_type *const *types = claim_types(&type_count);
    for (size_t i = 0; parts[i] != NULL; i++) {
        bool wanted = false;
        for (size_t k = 0; k < type_count; k++)
            wanted =
                wanted || (strcmp(types[k]->word, word) == 0 &&
                           strcmp(types[k]->only, parts[i]) == 0 && making_wants(m, types[k]->id));
        if (wanted)
            json_array_append_new(only, json_string(parts[i]));
    }
    if (parts[0] == NULL || json_array_size(only) == 0) {
        json_decref(only);
        return;
    }
    /* `status`, `success` and `amplification` have no parts. */
    if (parts[1] == NULL && strcmp(parts[0], word) == 0)
        json_decref(only);
    else
        step_set_json(m->p, &step, "only", only);
    making_step(m, step);
}

/* With the streak guard on, some faults are withheld: the fewer failures in a row are safe, the
 * more; and the more of one request's tries must fail of all that the endpoints may keep. */
static uint32_t with_guard(const struct making *m, uint32_t count, uint64_t tries)
{
    if (!m->ejects)
        return count;
    double more = m->c <= 3 ? 3 : m->c <= 4 ? 2 : m->c <= 6 ? 1.4 : 1.15;
    if (tries * 2 > m->n * (m->c - 1))
        more *= 2;
    return (uint32_t)((double)count * more + 0.5);
}

uint32_t making_cause_least(const struct making *m)
{
    return m->options->strict ? STRICT_LEAST : CAUSE_LEAST;
}

void making_tag(struct making *m, uint32_t fails, const char *cause, uint32_t count,
                const char *word, const char *const *keys, bool is_failure)
{
    if (m->tag_count == MAKING_TAGS_MOST)
        return;
    const char *tag = fails == 0 ? arena_printf(&m->p->arena, "all:%s", cause)
                                 : arena_printf(&m->p->arena, "f%u:%s", fails, cause);
    struct step step = step_make(m->p, STEP_FAULT, word, m->to, m->options->source, keys);
    step_set_json(m->p, &step, "match", json_pack("{s:s}", "tag", tag));
    if (fails != 0)
        step_set_json(m->p, &step, "first", json_integer((json_int_t)fails));
    if (is_failure && m->ejects)
        step_set_json(m->p, &step, "streak", json_integer((json_int_t)m->c - 1));
    making_step(m, step);
    uint64_t tries = fails == 0 ? m->edge->retry.attempts.number + 1 : fails;
    m->tags[m->tag_count++] =
        (struct tagged){.tag = tag, .count = is_failure ? with_guard(m, count, tries) : count};
}

static void add_status(struct making *m, uint32_t fails, uint32_t status, uint32_t count)
{
    const char *text = arena_printf(&m->p->arena, "%u", status);
    making_tag(m, fails, text, count, "abort", (const char *const[]){"status", text, NULL},
               status >= 500);
}

static const uint16_t errors[] = {503, 500, 502, 504};

static void add_listed(struct making *m)
{
    uint32_t retries = (uint32_t)m->edge->retry.attempts.number, least = making_cause_least(m),
             first = 0;
    bool main_done = false;
    if (retries == 0 || (m->ejects && m->c <= 2))
        return;
    bool reset = retry_rule_covers(m->edge, CAUSE_RESET, 0);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (!retry_rule_covers(m->edge, CAUSE_STATUS, errors[i]))
            continue;
        add_status(m, 1, errors[i], least);
        first += least;
        if (main_done)
            continue;
        main_done = true;
        if (retries > 1)
            add_status(m, retries, errors[i], least);
        add_status(m, 0, errors[i], least);
        first += retries > 1 ? 2 * least : least;
    }
    if (reset) {
        making_tag(m, 1, "reset", least, "reset", NULL, true);
        making_tag(m, 0, "reset", least, "reset", NULL, true);
        first += 2 * least;
    }
    /* The back-off and the other host are told from first retries: as many as they need. */
    if (first > 0 && first < FIRST_RETRIES_LEAST && m->tag_count > 0)
        m->tags[0].count += with_guard(m, FIRST_RETRIES_LEAST - first, 1);
}

/* Nothing retries: the failures must still come through as they are, and once. */
static void add_unretried(struct making *m)
{
    if (m->edge->retry.attempts.number == 0 && (!m->ejects || m->c > 2))
        for (size_t i = 0; i < COUNT_OF(errors); i++)
            add_status(m, 0, errors[i], UNLISTED_LEAST);
}

static void add_unlisted(struct making *m)
{
    static const uint16_t statuses[] = {400, 401, 404, 409, 412, 422, 429, 501, 500, 502, 503, 504};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        bool risky = statuses[i] >= 500 && m->ejects && m->c <= 2;
        bool done = statuses[i] >= 500 && statuses[i] != 501 && m->edge->retry.attempts.number == 0;
        if (!risky && !done && !retry_rule_covers(m->edge, CAUSE_STATUS, statuses[i]))
            add_status(m, 0, statuses[i], m->options->strict ? STRICT_LEAST : UNLISTED_LEAST);
    }
}

static void add_started(struct making *m)
{
    making_tag(m, 0, "started", making_cause_least(m), "reset",
               (const char *const[]){"when", "response_body", "after", "3B", NULL}, false);
}

void making_tags(struct making *m)
{
    bool retries = making_wants(m, "retry.max") || making_wants(m, "retry.must") ||
                   making_wants(m, "retry.other_host") || making_wants(m, "backoff.max") ||
                   making_wants(m, "backoff.law");
    size_t before = m->tag_count;
    if (retries) {
        add_listed(m);
        add_unretried(m);
    }
    m->fails = m->tag_count > before;
    if (making_wants(m, "retry.only"))
        add_unlisted(m);
    if (making_wants(m, "retry.started"))
        add_started(m);
    making_timeouts(m);
}

uint64_t making_tag_total(const struct making *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->tag_count; i++)
        total += m->tags[i].count;
    return total;
}
