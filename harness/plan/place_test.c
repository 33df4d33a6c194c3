#include "plan/place.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    const char *text;
    const char *from, *to;
    uint32_t endpoint;
    bool any;
};

static void every_form_of_the_grammar_is_read(void **unused)
{
    static const struct row rows[] = {
        {"b", NULL, "b", 0, false},         {"b/2", NULL, "b", 2, false},
        {"b/any", NULL, "b", 0, true},      {"client -> b", "client", "b", 0, false},
        {"a -> b/12", "a", "b", 12, false}, {"a-1 -> b", "a-1", "b", 0, false},
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena;
        struct place place;
        struct error err = {0};
        arena_init(&arena, 4096);
        assert_true(place_parse(rows[i].text, &arena, &place, &err));
        assert_string_equal(place.to.service, rows[i].to);
        assert_string_equal(place.text, rows[i].text);
        assert_int_equal(place.to.endpoint, rows[i].endpoint);
        assert_int_equal(place.to.any, rows[i].any);
        if (rows[i].from == NULL)
            assert_null(place.from.service);
        else
            assert_string_equal(place.from.service, rows[i].from);
        arena_release(&arena);
    }
}

static void namespace_subset_and_zone_are_kept(void **unused)
{
    struct arena arena;
    struct place place;
    (void)unused;
    arena_init(&arena, 4096);
    assert_true(place_parse("a.shop@v1/3 -> zone:z", &arena, &place, NULL));
    assert_string_equal(place.from.service, "a");
    assert_string_equal(place.from.ns, "shop");
    assert_string_equal(place.from.subset, "v1");
    assert_int_equal(place.from.endpoint, 3);
    assert_string_equal(place.to.zone, "z");
    assert_null(place.to.service);
    arena_release(&arena);
}

static void what_is_no_place_is_refused_in_the_words_of_the_language(void **unused)
{
    static const char *const bad[] = {
        "",           "b/0",   "b/",      "b/01",        "b/x",   "b/anyone", "A",   "a->b",
        "a ->b",      "a -> ", " -> b",   "a -> b -> c", "-a",    "b.",       "b@",  "zone:",
        "b/99999999", "b\n",   "a  -> b", "zone:a/1",    "b/2/3", "b@v1.ns",  "b_1", "\xff",
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena arena;
        struct place place;
        struct error err = {0};
        arena_init(&arena, 4096);
        if (place_parse(bad[i], &arena, &place, &err))
            fail_msg("\"%s\" was taken for a place", bad[i]);
        assert_non_null(strstr(
            err.text, "it must be a place: \"a -> b\", \"b\", \"b/2\", \"b/any\", \"zone:a\""));
        arena_release(&arena);
    }
}

static void a_name_has_63_bytes_at_most(void **unused)
{
    struct arena arena;
    struct place place;
    char name[70];
    (void)unused;
    arena_init(&arena, 4096);
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    assert_true(place_parse(name, &arena, &place, NULL));
    name[63] = 'a';
    name[64] = '\0';
    assert_false(place_parse(name, &arena, &place, NULL));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_grammar_is_read),
        cmocka_unit_test(namespace_subset_and_zone_are_kept),
        cmocka_unit_test(what_is_no_place_is_refused_in_the_words_of_the_language),
        cmocka_unit_test(a_name_has_63_bytes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
