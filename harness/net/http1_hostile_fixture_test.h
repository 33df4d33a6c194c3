#ifndef NET_HTTP1_HOSTILE_FIXTURE_TEST_H
#define NET_HTTP1_HOSTILE_FIXTURE_TEST_H

/* Malformed and hostile HTTP/1.1 through the proxy, both ways: each form ends its own connection
 * with its reason in the journal, nothing of it reaches the other side as a message of its own, and
 * whoever comes next is served. */

#include "base/text.h"
#include "net/http1.h"
#include "net/rig_test.h"

#define EVIL "GET /evil HTTP/1.1\r\nHost: e\r\n\r\n"
#define POST "POST /p HTTP/1.1\r\nHost: a\r\n"
#define FORM(name, text, reason) \
    { \
        name, text, sizeof(text) - 1, reason \
    }

struct form {
    const char *name, *text;
    size_t len;
    const char *reason; /* in the journal: llhttp's words, or ours */
};

static struct bytes bytes_in_form(const struct form *f)
{
    return (struct bytes){(const uint8_t *)f->text, f->len};
}

static void expect_reason(const struct rig *rig, const char *name, const char *reason)
{
    const char *seen = rig_reason(rig, &rig->attempt[0]);
    if (seen == NULL || strcmp(seen, reason) != 0)
        fail_msg("%s: the journal's reason is \"%s\", not \"%s\"", name, seen == NULL ? "" : seen,
                 reason);
}

/* A connection of its own, served as if nothing had been. */
static void expect_served(struct rig *rig, const char *name)
{
    size_t attempts = rig_records(rig), accepted = rig->accepted;
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *s = await_server(rig, accepted + 1); /* nothing that is suspect was kept */
    await_text(s, "\r\n\r\n");
    expect_in(s, GET);
    say(s, OK5);
    await_text(c, "hello");
    expect_in(c, OK5);
    if (await_attempt(rig, attempts + 1)->outcome != OUTCOME_ANSWERED)
        fail_msg("%s: the next one was not served", name);
}

/* ${head}, then ${count} times ${more}. */
static struct text many(const char *head, const char *more, size_t count)
{
    struct text t;
    text_init(&t, (size_t)1 << 20);
    text_add(&t, "%s", head);
    for (size_t i = 0; i < count; i++)
        text_add_bytes(&t, bytes_of(more));
    return t;
}

#endif
