#include "journal/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    char text[2048];
};

static void on_row(void *cookie, const struct record_source *from, enum record_kind kind,
                   const void *record)
{
    struct seen *s = cookie;
    size_t n = strlen(s->text);
    char *to = s->text + n;
    size_t room = sizeof(s->text) - n;
    if (kind == RECORD_PROC) {
        const struct journal_proc *p = record;
        snprintf(to, room, "proc %u %s %s %s\n", p->proc, p->role, p->arm, p->service);
    } else if (kind == RECORD_PHASE) {
        const struct journal_phase *p = record;
        snprintf(to, room, "phase %u %s %s %u %u %s\n", p->phase, p->name, p->arm, p->scenario,
                 p->ordinal, p->why == NULL ? "begins" : p->why);
    } else if (kind == RECORD_EVENT) {
        const struct journal_event *e = record;
        snprintf(to, room, "event %u %s %s\n", e->phase, e->what,
                 json_string_value(json_object_get(e->json, "on")));
    } else if (kind == RECORD_END) {
        snprintf(to, room, "end %s\n", ((const struct journal_end *)record)->how);
    } else if (kind == RECORD_ATTEMPT) {
        const struct attempt_record *r = record;
        snprintf(to, room, "attempt %s %s/%u \"%s\" \"%s\"\n", from->arm, from->service,
                 r->endpoint, record_name(from, r->path), record_name(from, r->tag));
    }
}

static void name(struct store *s, uint32_t id, const char *text)
{
    uint8_t body[64];
    struct error err = {0};
    memcpy(body, &id, sizeof(id));
    memcpy(body + sizeof(id), text, strlen(text));
    assert_true(
        store_frame(s, 2, 0, RECORD_NAME, (struct bytes){body, sizeof(id) + strlen(text)}, &err));
}

static void each_row_is_seen_as_it_is_written_with_its_names(void **state)
{
    char folder[] = "/tmp/meshproof-tap-XXXXXX", path[64];
    struct seen seen = {""};
    struct store *s;
    struct error err = {0};
    struct attempt_record r = {.at = 120, .endpoint = 2, .path = 1};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/run.db", folder);
    assert_true(store_open(path, &s, &err));
    store_tap(s, on_row, &seen);
    assert_true(store_proc(s, 2, "proxy", "subject", "payments", 7, &err));
    name(s, 1, "/a\x01\xff");
    assert_true(store_phase_begin(s, 1, 0, "subject", "storm", 3, 100, &err));
    assert_true(store_event(s, 1, "await", "{\"on\":\"payments\"}", 110, &err));
    assert_true(
        store_frame(s, 2, 1, RECORD_ATTEMPT, (struct bytes){(const uint8_t *)&r, sizeof(r)}, &err));
    assert_true(store_phase_end(s, 1, "clock", 200, &err));
    assert_true(store_end(s, "complete", "{}", 300, &err));
    assert_true(store_close(s, true, &err));
    assert_string_equal(seen.text, "proc 2 proxy subject payments\n"
                                   "phase 1 storm subject 0 3 begins\n"
                                   "event 1 await payments\n"
                                   "attempt subject payments/2 \"/a\x01?\" \"\"\n"
                                   "phase 1 storm subject 0 3 clock\n"
                                   "end complete\n");
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void a_row_that_is_refused_is_not_seen(void **state)
{
    char folder[] = "/tmp/meshproof-tap-XXXXXX", path[64];
    struct seen seen = {""};
    struct store *s;
    struct error err = {0};
    struct attempt_record r = {.at = 120, .path = 9};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/run.db", folder);
    assert_true(store_open(path, &s, &err));
    store_tap(s, on_row, &seen);
    assert_false(
        store_frame(s, 2, 1, RECORD_ATTEMPT, (struct bytes){(const uint8_t *)&r, sizeof(r)}, &err));
    assert_string_equal(seen.text, "");
    err = (struct error){0};
    assert_true(store_close(s, true, &err));
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_seen_as_it_is_written_with_its_names),
        cmocka_unit_test(a_row_that_is_refused_is_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
