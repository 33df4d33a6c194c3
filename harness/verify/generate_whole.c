/* What claims of the whole system need of a generated plan (spec/verifier.md 4.2 A,
 * scenario-language.md 1.8): where its method may not be repeated, requests whose work is done
 * before they fail. */
#include "verify/making.h"

#include "verify/claims.h"

#define DONE_LEAST 6
#define STRICT_LEAST 66

/* RFC 9110 9.2.2. */
static bool may_not_repeat(const char *method)
{
    return method != NULL && (strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0);
}

/* The backend runs, then the first try of each request of the tag fails: ${word} says how. */
static void add_done(struct making *m, const char *tag, const char *word, const char *const *keys)
{
    if (m->tag_count == MAKING_TAGS_MOST)
        return;
    struct step step = step_make(m->p, STEP_FAULT, word, m->to, m->options->source, keys);
    step_set_json(m->p, &step, "match", json_pack("{s:s}", "tag", tag));
    step_set_json(m->p, &step, "first", json_integer(1));
    /* Some are withheld where failures in a row eject (4.1). */
    if (m->ejects)
        step_set_json(m->p, &step, "streak", json_integer((json_int_t)m->c - 1));
    making_step(m, step);
    uint32_t count = m->options->strict ? STRICT_LEAST : DONE_LEAST;
    m->tags[m->tag_count++] = (struct tagged){.tag = tag, .count = m->ejects ? 2 * count : count};
}

void making_whole(struct making *m)
{
    static const char *const parts[] = {"idempotency", NULL};
    if (!may_not_repeat(m->options->method) || !making_wants(m, "effects") ||
        (m->ejects && m->c <= 2))
        return;
    add_done(m, "f1:done-503", "abort",
             (const char *const[]){"status", "503", "reply", "after", NULL});
    add_done(m, "f1:done-reset", "reset", (const char *const[]){"when", "response_head", NULL});
    making_expect(m, "idempotency", m->edge_text, parts);
}
