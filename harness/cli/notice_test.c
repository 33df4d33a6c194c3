/* What somebody is told: no text of others becomes markup, and everything fits. */
#include "cli/notice.h"

#include "base/clock.h"
#include "cli/teller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const tags[] = {"gameday", "a<b"};

static struct notify_plan to_of(enum notify_kind kind)
{
    return (struct notify_plan){
        .kind = kind, .tags = (const char **)(uintptr_t)tags, .tag_count = COUNT_OF(tags)};
}

static void body_is(enum notify_kind kind, struct notice n, const char *want)
{
    struct notify_plan to = to_of(kind);
    json_t *body = notice_body(&to, &n);
    char *line = json_dumps(body, JSON_COMPACT);
    assert_string_equal(line, want);
    free(line);
    json_decref(body);
}

static const struct notice question = {.event = "human",
                                       .what = "question",
                                       .run = "7c1e4a90",
                                       .suite = "s.lua",
                                       .scenario = "game <day>",
                                       .text = "2 Drained? <!channel> & \"all\"\n\033[2J \xff",
                                       .since_start_ns = 61 * NS_PER_S,
                                       .wall_ns = 1700000000 * NS_PER_S};

static void each_kind_has_its_body(void **state)
{
    struct notice phase = question;
    (void)state;
    body_is(NOTIFY_WEBHOOK, question,
            "{\"v\":1,\"event\":\"human\",\"what\":\"question\",\"run\":\"7c1e4a90\",\"suite\":"
            "\"s.lua\",\"scenario\":\"game <day>\",\"text\":\"2 Drained? <!channel> & \\\"all\\\"  "
            "[2J ?\",\"t_ns\":61000000000,\"wall_ms\":1700000000000}");
    body_is(NOTIFY_SLACK, question,
            "{\"text\":\"meshproof 7c1e4a90  game &lt;day&gt;\\n01:01.000  2 Drained? "
            "&lt;!channel&gt; &amp; \\\"all\\\"  [2J ?\"}");
    body_is(NOTIFY_KUBERNETES_EVENT, question,
            "{\"reason\":\"QuestionAsked\",\"type\":\"Normal\",\"message\":\"meshproof 7c1e4a90, "
            "game <day>: 2 Drained? <!channel> & \\\"all\\\"  [2J ?\"}");
    phase.until_ns = phase.wall_ns + 90 * NS_PER_S;
    body_is(NOTIFY_GRAFANA, phase,
            "{\"time\":1700000000000,\"timeEnd\":1700000090000,\"tags\":[\"meshproof\","
            "\"7c1e4a90\",\"gameday\",\"a<b\"],\"text\":\"game &lt;day&gt;: 2 Drained? "
            "&lt;!channel&gt; &amp; \\\"all\\\"  [2J ?\"}");
}

static void the_longest_message_fits(void **state)
{
    static const char fills[] = {'&', '"', '\\', '\n', (char)0xff};
    const char *many[40];
    char text[5000];
    (void)state;
    for (size_t f = 0; f < COUNT_OF(fills); f++) {
        memset(text, fills[f], sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        for (size_t i = 0; i < COUNT_OF(many); i++)
            many[i] = text;
        for (int kind = NOTIFY_GRAFANA; kind <= NOTIFY_WEBHOOK; kind++) {
            struct notify_plan to = {.kind = (enum notify_kind)kind, .tags = many, .tag_count = 40};
            struct notice n = {.event = "end",
                               .run = "7c1e4a90",
                               .suite = text,
                               .scenario = text,
                               .text = text,
                               .since_start_ns = UINT64_MAX,
                               .wall_ns = UINT64_MAX / 2};
            json_t *body = notice_body(&to, &n);
            char *line = json_dumps(body, JSON_COMPACT);
            assert_non_null(line);
            assert_in_range(strlen(line), 10, TELLER_MOST - 1);
            assert_null(strchr(line, '\n'));
            free(line);
            json_decref(body);
        }
    }
}

static void a_character_is_never_cut(void **state)
{
    char text[601];
    struct notify_plan to = to_of(NOTIFY_WEBHOOK);
    struct notice n = question;
    (void)state;
    for (size_t i = 0; i < 200; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 4); /* 3 bytes each: 400 is no border */
    n.text = text;
    json_t *body = notice_body(&to, &n);
    assert_int_equal(strlen(json_string_value(json_object_get(body, "text"))), 399);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_body),
        cmocka_unit_test(the_longest_message_fits),
        cmocka_unit_test(a_character_is_never_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
