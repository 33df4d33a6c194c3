#include "policy/yaml.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct world {
    struct arena arena;
    const struct yaml_node **docs;
    size_t count, nodes;
    struct error err;
    char text[400];
};

static int setup(void **state)
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    arena_init(&w->arena, (size_t)1 << 30);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_release(&w->arena);
    free(w);
    return 0;
}

static bool parse(struct world *w, struct bytes yaml)
{
    w->err = (struct error){0};
    w->nodes = YAML_MAX_NODES;
    bool good = yaml_parse(yaml, "k8s/a.yaml", &w->nodes, &w->arena, &w->docs, &w->count, &w->err);
    error_format(&w->err, w->text, sizeof(w->text));
    return good;
}

static void must_fail(struct world *w, struct bytes yaml, enum error_kind kind, const char *text)
{
    assert_false(parse(w, yaml));
    assert_int_equal(w->err.kind, kind);
    if (strstr(w->text, text) == NULL)
        assert_string_equal(w->text, text);
}

static void marks_count_from_one(void **state)
{
    struct world *w = *state;
    assert_true(
        parse(w, BYTES("a: 1\nb:\n  - x: two\n    y:\n---\n# only a comment\n---\nc: {d: [e]}\n")));
    assert_int_equal(w->count, 2);
    const struct yaml_node *a = yaml_get(w->docs[0], "a");
    assert_int_equal(a->source.line, 1);
    assert_int_equal(a->source.column, 4);
    const struct yaml_node *x = yaml_get(yaml_item(yaml_get(w->docs[0], "b"), 0), "x");
    assert_string_equal(x->text, "two");
    assert_int_equal(x->source.line, 3);
    assert_int_equal(x->source.column, 8);
    assert_string_equal(x->source.file, "k8s/a.yaml");
    assert_null(yaml_get(yaml_item(yaml_get(w->docs[0], "b"), 0), "y"));
    assert_int_equal(yaml_find(yaml_item(yaml_get(w->docs[0], "b"), 0), "y")->source.line, 4);
    assert_string_equal(yaml_item(yaml_get(yaml_get(w->docs[1], "c"), "d"), 0)->text, "e");
}

static void scalars_are_what_kubernetes_makes_of_them(void **state)
{
    static const struct {
        const char *text;
        enum yaml_type type;
    } rows[] = {
        {"on", YAML_BOOL},    {"No", YAML_BOOL},      {"\"on\"", YAML_TEXT},
        {"8080", YAML_INT},   {"'8'", YAML_TEXT},     {"2s", YAML_TEXT},
        {"0x1f", YAML_INT},   {"1e3", YAML_FLOAT},    {"~", YAML_NULL},
        {"0.5", YAML_FLOAT},  {"-7", YAML_INT},       {"5xx,reset", YAML_TEXT},
        {"1.2.3", YAML_TEXT}, {"!!str 5", YAML_TEXT}, {"nan", YAML_TEXT},
        {"-", YAML_TEXT},
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(rows) - 1; i++) {
        char yaml[64];
        snprintf(yaml, sizeof(yaml), "a: %s\n", rows[i].text);
        assert_true(parse(w, bytes_of(yaml)));
        assert_int_equal(yaml_scalar_type(yaml_find(w->docs[0], "a")->value), rows[i].type);
    }
}

static void typed_readers_say_what_was_found_and_wanted(void **state)
{
    struct world *w = *state;
    uint64_t n = 0;
    bool b = false;
    const char *t = NULL;
    struct error err = {0};
    assert_true(parse(w, BYTES("n: \"3\"\nd: 5\ne: 1m30s\nb: yes\nf: 2x\nt: 7\nm: {}\n")));
    assert_false(yaml_read_count(yaml_get(w->docs[0], "n"), 100, &n, &err));
    assert_string_equal(err.text,
                        "is \"3\"; it must be a whole number of 0 to 100, without quotes");
    assert_int_equal(err.source.line, 1);
    err = (struct error){0};
    assert_false(yaml_read_go_duration(yaml_get(w->docs[0], "d"), &n, &err));
    assert_string_equal(err.text, "is 5; it must be a duration with its unit, such as 1.5s");
    assert_true(yaml_read_go_duration(yaml_get(w->docs[0], "e"), &n, NULL));
    assert_true(n == 90000000000ULL);
    assert_true(yaml_read_bool(yaml_get(w->docs[0], "b"), &b, NULL) && b);
    err = (struct error){0};
    assert_false(yaml_read_gep_duration(yaml_get(w->docs[0], "f"), &n, &err));
    assert_int_equal(err.source.line, 5);
    err = (struct error){0};
    assert_false(yaml_read_text(yaml_get(w->docs[0], "t"), &t, &err));
    assert_string_equal(err.text, "is 7; it must be text: put it in quotes");
    err = (struct error){0};
    assert_false(yaml_read_count(yaml_get(w->docs[0], "m"), 9, &n, &err));
    assert_string_equal(err.text, "is a map; it must be a whole number of 0 to 9, without quotes");
}

static void aliases_share_their_target(void **state)
{
    struct world *w = *state;
    assert_true(parse(w, BYTES("a: &x {k: v}\nb: *x\nc: [*x, *x]\n")));
    assert_ptr_equal(yaml_get(w->docs[0], "a"), yaml_get(w->docs[0], "b"));
    assert_int_equal(YAML_MAX_NODES - w->nodes, w->docs[0]->weight + 4); /* and 4 keys */
}

static void what_is_no_yaml_is_named_with_its_place(void **state)
{
    struct world *w = *state;
    must_fail(w, BYTES("a: 1\na: 2\n"), ERROR_INPUT,
              "k8s/a.yaml:2:1: key \"a\" stands twice, first in line 1");
    must_fail(w, BYTES("a: &x [1]\nb:\n  <<: *x\n"), ERROR_INPUT, "k8s/a.yaml:3:3: merge key");
    must_fail(w, BYTES("a: &x [*x]\n"), ERROR_INPUT, "within its own anchor");
    must_fail(w, BYTES("a: {z: 1}\nb: */a/z\n"), ERROR_INPUT, "k8s/a.yaml:2:");
    must_fail(w, BYTES("b: *nobody\n"), ERROR_INPUT, "has no anchor before it");
    must_fail(w, BYTES("a: \xff\n"), ERROR_INPUT, "k8s/a.yaml:1:4: byte 0xff is not UTF-8");
    must_fail(w, BYTES("a: \xed\xa0\x80\n"), ERROR_INPUT, "not UTF-8");
    must_fail(w, BYTES("a: \0\n"), ERROR_INPUT, "NUL");
    must_fail(w, BYTES("a: \"x\\0y\"\n"), ERROR_INPUT, "NUL character");
    must_fail(w, BYTES("a:\n   b: 1\n  c: 2\n"), ERROR_INPUT, "k8s/a.yaml:3:");
    must_fail(w, BYTES("a: [1, 2\n"), ERROR_INPUT, "is not YAML");
    must_fail(w, BYTES("? [a]\n: 1\n"), ERROR_INPUT, "a key must be text");
    must_fail(w, BYTES("a: \"open\n"), ERROR_INPUT, "is not YAML");
}

static void limits_name_themselves(void **state)
{
    struct world *w = *state;
    size_t big = YAML_MAX_BYTES + 1;
    uint8_t *text = check_alloc(big);
    memset(text, '#', big);
    must_fail(w, (struct bytes){text, big}, ERROR_LIMIT, "a policy file may have 4194304");
    memset(text, '[', 200000);
    must_fail(w, (struct bytes){text, 200000}, ERROR_LIMIT, "nested deeper than 64 levels");
    for (size_t i = 0; i < 500000; i++)
        memcpy(text + i * 4, "- a\n", 4);
    must_fail(w, (struct bytes){text, 2000000}, ERROR_LIMIT, "more than 200000 YAML nodes");
    free(text);
    must_fail(
        w,
        BYTES("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
              "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
              "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"),
        ERROR_LIMIT, "aliases expanded");
}

static void depth_counts_through_aliases(void **state)
{
    struct world *w = *state;
    struct text t;
    text_init(&t, 4096);
    text_add(&t, "a: &a ");
    for (int i = 0; i < 40; i++)
        text_add(&t, "[");
    for (int i = 0; i < 40; i++)
        text_add(&t, "]");
    text_add(&t, "\nb: ");
    for (int i = 0; i < 40; i++)
        text_add(&t, "[");
    text_add(&t, "*a");
    for (int i = 0; i < 40; i++)
        text_add(&t, "]");
    must_fail(w, bytes_of(text_get(&t)), ERROR_LIMIT, "deeper than 64");
    text_release(&t);
}

static void an_empty_file_has_no_documents(void **state)
{
    struct world *w = *state;
    assert_true(parse(w, BYTES("")));
    assert_int_equal(w->count, 0);
    assert_true(parse(w, BYTES("# nothing\n---\n...\n")));
    assert_int_equal(w->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(marks_count_from_one, setup, teardown),
        cmocka_unit_test_setup_teardown(scalars_are_what_kubernetes_makes_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(typed_readers_say_what_was_found_and_wanted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(aliases_share_their_target, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_yaml_is_named_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_name_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_counts_through_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_file_has_no_documents, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
