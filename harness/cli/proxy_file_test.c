#include "cli/proxy_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[40], path[60];
};

static int make(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/meshproof-file-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof(p->path), "%s/proxy.lua", p->folder);
    *state = p;
    return 0;
}

static int unmake(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    rmdir(p->folder);
    free(p);
    return 0;
}

static bool load(const struct place *p, const char *text, unsigned workers, json_t **ret,
                 struct error *err)
{
    FILE *f = fopen(p->path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return proxy_file_load(p->path, workers, ret, err);
}

static void is(const struct place *p, const char *text, const char *wanted)
{
    json_t *list = NULL;
    struct error err = {0};
    if (!load(p, text, 1, &list, &err))
        fail_msg("%s", err.text);
    char *got = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(got, wanted);
    free(got);
    json_decref(list);
}

static void fails(const struct place *p, const char *text, const char *words)
{
    json_t *list = NULL;
    struct error err = {0};
    assert_false(load(p, text, 2, &list, &err));
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", err.text, words);
}

static void one_proxy_or_a_list_of_them_is_returned(void **state)
{
    is(*state, "return proxy { name = 'a', to = '127.0.0.1:1' }",
       "[{\"name\":\"a\",\"to\":\"127.0.0.1:1\"}]");
    is(*state,
       "local function one(n) return proxy { name = n, to = '127.0.0.1:1' } end\n"
       "return { one 'a', one 'b' }",
       "[{\"name\":\"a\",\"to\":\"127.0.0.1:1\"},{\"name\":\"b\",\"to\":\"127.0.0.1:1\"}]");
    is(*state,
       "return proxy { name = 'a', to = '127.0.0.1:1', enabled = false, faults = { fault.abort { "
       "status = 503, match = { path = '/x' } }, fault.refuse {} } }",
       "[{\"enabled\":false,\"faults\":[{\"match\":{\"path\":\"/x\"},\"status\":503,\"word\":"
       "\"abort\"},{\"word\":\"refuse\"}],\"name\":\"a\",\"to\":\"127.0.0.1:1\"}]");
    is(*state, "return proxy { name = 'a', to = '127.0.0.1:1', faults = {} }",
       "[{\"name\":\"a\",\"to\":\"127.0.0.1:1\"}]");
}

static void an_error_names_the_line_of_its_word(void **state)
{
    fails(*state,
          "return proxy {\n name = 'a', to = '127.0.0.1:1', faults = {\n fault.abort { status = "
          "999 } } }",
          "proxy.lua:3: fault.abort: status is 999");
    fails(*state, "\nreturn proxy { name = 'a', to = 'x' }",
          "proxy.lua:2: proxy \"a\": to: \"x\" is not an address");
    fails(*state, "return proxy { name = 'a', to = '127.0.0.1:1', lisen = 'x' }",
          "proxy.lua:1: proxy \"a\" has no key \"lisen\" (did you mean \"listen\"?)");
    fails(*state,
          "return proxy { name = 'a', to = '127.0.0.1:1', faults = { fault.abort { status = 503, "
          "first = 1 } } }",
          "first is refused with 2 workers");
    fails(*state, "return 1 +", "proxy.lua:1: ");
    fails(*state, "\n\nfault.abrt {}", "proxy.lua:3: there is no fault.abrt; there is abort");
    fails(*state, "return fault.abort { status = 503 }", "something else than a proxy");
    fails(*state, "return { 1 }", "something else than a proxy");
    fails(*state, "return 7", "something else than a proxy");
    fails(*state, "return {}", "an empty table");
    fails(*state, "return proxy { name = 'a', to = '127.0.0.1:1', faults = { { status = 3 } } }",
          "proxy.lua:1: faults is a list such as");
    fails(*state, "return proxy { 'a' }", "proxy.lua:1: proxy takes named keys only");
    fails(*state, "while true do end", "at most");
}

static void a_file_that_cannot_be_read_is_one_sentence(void **state)
{
    const struct place *p = *state;
    json_t *list = NULL;
    struct error err = {0};
    unlink(p->path);
    assert_false(proxy_file_load(p->path, 1, &list, &err));
    assert_non_null(strstr(err.text, "cannot be read"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_proxy_or_a_list_of_them_is_returned, make, unmake),
        cmocka_unit_test_setup_teardown(an_error_names_the_line_of_its_word, make, unmake),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_one_sentence, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
