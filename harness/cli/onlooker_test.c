#include "cli/onlooker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct one {
    char name;
    char *log;
};

static void note(const struct one *o, char what)
{
    size_t n = strlen(o->log);
    o->log[n] = o->name;
    o->log[n + 1] = what;
    o->log[n + 2] = '\0';
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    (void)steer;
    (void)loop;
    note(cookie, '+');
}

static void on_end(void *cookie)
{
    note(cookie, '-');
}

static void on_event(void *cookie, const struct engine_event *event)
{
    (void)event;
    note(cookie, '!');
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    (void)from;
    (void)kind;
    (void)record;
    note(cookie, '.');
}

static void each_is_called_with_its_own_cookie_and_the_last_to_come_ends_first(void **state)
{
    char log[64] = "";
    struct one a = {'a', log}, b = {'b', log};
    struct onlookers all = {0};
    struct engine_options options = {0};
    struct engine_event event = {0};
    (void)state;
    onlookers_add(&all, &(struct onlooker){.on_begin = on_begin, .on_end = on_end, .cookie = &a});
    onlookers_hook(&all, &options);
    assert_null(options.on_record); /* nobody wants rows, so none are tapped */
    onlookers_add(&all, &(struct onlooker){on_begin, on_end, on_record, on_event, &b});
    onlookers_hook(&all, &options);
    options.on_begin(options.cookie, NULL, NULL);
    options.on_event(options.cookie, &event);
    options.on_record(options.cookie, NULL, RECORD_END, NULL);
    options.on_end(options.cookie);
    assert_string_equal(log, "a+b+b!b.b-a-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_called_with_its_own_cookie_and_the_last_to_come_ends_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
