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
#define HOLD_LEAST 16 /* 6 are needed; the guard and stalls take some */
#define SLOW_LEAST 16 /* 8 are needed; some fall into stalls */
#define SLOW_ROOM_NS (40 * NS_PER_MS)
#define FIRST_RETRIES_LEAST 66 /* retry.other_host asks for 60, backoff.law for 40 */
#define PATIENT_LEAST 4
#define PATIENCE_NS (16 * NS_PER_S)

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

bool making_reaches_timeout(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    if (whole == 0)
        return false;
    bool again = edge->retry.attempts.number > 0 && retry_rule_covers(edge, CAUSE_HOLD, 0);
    uint64_t tries = again ? 1 + edge->retry.attempts.number : 1;
    /* Linkerd does not cut the last try that it may make. */
    return edge->flavour == FLAVOUR_LINKERD || p == 0 || p >= whole ||
           tries * p > whole + 50 * NS_PER_MS;
}

/* With the streak guard on, some faults are withheld: the fewer failures in a row are safe, the
 * more. */
static uint32_t with_guard(const struct making *m, uint32_t count)
{
    if (!m->ejects)
        return count;
    double more = m->c <= 3 ? 3 : m->c <= 4 ? 2 : m->c <= 6 ? 1.4 : 1.15;
    return (uint32_t)((double)count * more + 0.5);
}

static uint32_t cause_least(const struct making *m)
{
    return m->options->strict ? STRICT_LEAST : CAUSE_LEAST;
}

/* One cause: ${fails} first tries (0: all) of ${count} requests get the fault. */
static void add_tag(struct making *m, uint32_t fails, const char *cause, uint32_t count,
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
    m->tags[m->tag_count++] =
        (struct tagged){.tag = tag, .count = is_failure ? with_guard(m, count) : count};
}

static void add_status(struct making *m, uint32_t fails, uint32_t status, uint32_t count)
{
    const char *text = arena_printf(&m->p->arena, "%u", status);
    add_tag(m, fails, text, count, "abort", (const char *const[]){"status", text, NULL},
            status >= 500);
}

static const uint16_t errors[] = {503, 500, 502, 504};

static void add_listed(struct making *m)
{
    uint32_t retries = (uint32_t)m->edge->retry.attempts.number, least = cause_least(m), first = 0;
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
        add_tag(m, 1, "reset", least, "reset", NULL, true);
        add_tag(m, 0, "reset", least, "reset", NULL, true);
        first += 2 * least;
    }
    /* The back-off and the other host are told from first retries: as many as they need. */
    if (first > 0 && first < FIRST_RETRIES_LEAST && m->tag_count > 0)
        m->tags[0].count += with_guard(m, FIRST_RETRIES_LEAST - first);
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
    add_tag(m, 0, "started", cause_least(m), "reset",
            (const char *const[]){"when", "response_body", "after", "3B", NULL}, false);
}

/* Three quarters of the per-try timeout, and so much before it that neither its timer nor the way
 * there and back makes the answer late. */
static uint64_t slow_ns(uint64_t per_try)
{
    uint64_t usual = per_try / 4 * 3, room = per_try > 2 * SLOW_ROOM_NS ? SLOW_ROOM_NS : 0;
    return usual + SLOW_ROOM_NS > per_try ? per_try - room : usual;
}

static void add_timeouts(struct making *m)
{
    uint64_t p = timeout_try_ns(m->edge), whole = timeout_request_ns(m->edge);
    bool cut = p != 0 && (whole == 0 || p < whole);
    bool safe = !m->ejects || m->c > 2;
    if (cut && safe && making_wants(m, "timeout.try"))
        add_tag(m, 1, "hold", cause_least(m), "blackhole", NULL, true);
    if (safe && ((cut && making_wants(m, "timeout.try.restart")) ||
                 (making_reaches_timeout(m->edge) &&
                  (making_wants(m, "timeout.request") || making_wants(m, "honest")))))
        add_tag(m, 0, "hold", HOLD_LEAST, "blackhole", NULL, true);
    if (cut && making_wants(m, "timeout.try.kept"))
        add_tag(m, 1, "slow", SLOW_LEAST, "latency",
                (const char *const[]){"add", making_ms(m, slow_ns(p)), NULL}, false);
    if (making_wants(m, "timeout.none")) {
        uint64_t patience = m->options->patience_ns == 0 ? PATIENCE_NS : m->options->patience_ns;
        add_tag(m, 0, "patience", PATIENT_LEAST, "latency",
                (const char *const[]){"add", making_ms(m, patience), NULL}, false);
    }
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
    add_timeouts(m);
}

uint64_t making_tag_total(const struct making *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->tag_count; i++)
        total += m->tags[i].count;
    return total;
}
