/* What explore draws and saves, loaded again: the same plan. */

#include "cli/explore_file.h"

#include "explore/draw.h"
#include "lua/suite_fixture_test.h"

#include <sys/stat.h>
#include <unistd.h>

#define DRAWS 120

static const char suite[] =
    "local edge = \"client -> payments\"\n"
    "return scenario \"storm\" { about = \"x\", mesh = mesh.istio { policy = \"k8s/\", version = "
    "\"1.31\" },\n"
    "  lab = lab { defects = { \"one_retry_more\" }, service \"payments\" { endpoints = 3, effects "
    "= "
    "\"x-order\" } },\n"
    "  load = load.open { on = edge, rate = \"100/s\", headers = { [\"x-order\"] = \"{uuid}\" } "
    "},\n"
    "  guard = { guard.limits { delay = \"5s\", ttl = \"2m\" } },\n"
    "  phase \"calm\" { lasting = \"5s\", expect.success { on = edge, atleast = \"99.9%\" } },\n"
    "  phase \"storm\" { lasting = \"20s\", fault.abort { on = \"payments\", status = 503 },\n"
    "    expect.retries { on = edge, only = { \"atmost\" } }, expect.ejection { on = \"payments\", "
    "never = { \"payments/2\" } },\n"
    "    expect.amplification { on = edge, atmost = 1.6 }, expect.lint { has = { \"a.b\" } } } }\n";
static const char policy[] = "apiVersion: networking.istio.io/v1\n"
                             "kind: VirtualService\n"
                             "metadata: {name: payments}\n"
                             "spec:\n"
                             "  hosts: [payments]\n"
                             "  http:\n"
                             "    - timeout: 2s\n"
                             "      retries: {attempts: 3, perTryTimeout: 600ms, retryOn: 5xx}\n"
                             "      route: [{destination: {host: payments}}]\n";

static json_t *without_marks(json_t *take)
{
    static const char *const marks[] = {"where", "suite", "files", "params", "policy"};
    const char *key;
    json_t *value;
    void *next;
    size_t i;
    for (size_t k = 0; json_is_object(take) && k < COUNT_OF(marks); k++)
        json_object_del(take, marks[k]);
    json_object_foreach_safe(take, next, key, value) without_marks(value);
    json_array_foreach(take, i, value) without_marks(value);
    return take;
}

static struct plan *load(const char *path)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    if (!suite_load(path, NULL, &p, errors, &count))
        fail_msg("%s: %u: %s", path, errors[0].source.line, errors[0].text);
    return p;
}

static struct policy *policy_of(const struct plan *p)
{
    const struct mesh_plan *mesh = &p->scenarios[0].mesh;
    struct policy *ret;
    struct error err = {0};
    struct policy_options options = {.endpoints = 3};
    assert_true(target_parse("istio@1.31", &options.target, &err));
    if (!policy_read(mesh->policy, mesh->policy_count, &options, &ret, &err))
        fail_msg("%s", err.text);
    return ret;
}

static void saved_and_loaded(const struct space *space, uint64_t trial, const char *path)
{
    struct schedule s;
    struct text text;
    struct error err = {0};
    const struct space_asked asked = {trial % 2 == 0 ? "retries" : NULL, "client -> payments"};
    text_init(&text, EXPLORE_SUITE_MOST_BYTES);
    if (!draw_schedule(space, 5, trial, &s, &err) ||
        !explore_file_print(space, &s, "explored: retry.max", asked, "-- found\n", path, &text,
                            &err) ||
        !explore_file_write(path, text_get(&text), &err))
        fail_msg("%s", err.text);
    struct plan *before = space_trial(space, &s, "explored: retry.max", asked), *after = load(path);
    before->scenarios[0].exceptions = NULL;
    json_t *one = without_marks(plan_to_json(before)), *two = without_marks(plan_to_json(after));
    if (!json_equal(one, two))
        fail_msg("%s\n%s\nbecame\n%s", text_get(&text), json_dumps(one, JSON_INDENT(1)),
                 json_dumps(two, JSON_INDENT(1)));
    struct policy *read = policy_of(after); /* it is found from where the suite lies */
    assert_int_equal(policy_object_count(read), 1);
    policy_free(read);
    json_decref(one);
    json_decref(two);
    plan_free(before);
    plan_free(after);
    text_release(&text);
    assert_int_equal(unlink(path), 0);
}

static void schedules_survive_being_saved(void **unused)
{
    char path[300], found[300];
    struct arena arena;
    struct space space;
    struct error err = {0};
    struct edge_policy edge;
    const char *words[DRAWABLE_WORDS_MOST];
    (void)unused;
    arena_init(&arena, 1 << 20);
    mkdir(in_folder("k8s", path, sizeof(path)), 0755);
    write_file("k8s/p.yaml", policy);
    write_file("s.lua", suite);
    struct plan *p = load(in_folder("s.lua", path, sizeof(path)));
    struct policy *read = policy_of(p);
    policy_resolve(read, "client", "payments", "/", 3, &edge);
    const struct space_options options = {.words = words,
                                          .word_count = drawable_words(words, false)};
    if (!space_init(&space, p, &p->scenarios[0], &edge, 1, &options, &arena, &err))
        fail_msg("%s", err.text);
    assert_int_equal(space.expect_count, 3);
    in_folder("a/b/found.lua", found, sizeof(found));
    assert_true(explore_file_check(found, &err));
    for (uint64_t i = 1; i <= DRAWS; i++)
        saved_and_loaded(&space, i, found);
    saved_and_loaded(&space, 1, in_folder("beside.lua", path, sizeof(path)));
    saved_and_loaded(&space, 1, in_folder("k8s/within.lua", path, sizeof(path)));
    space_release(&space);
    policy_free(read);
    plan_free(p);
    arena_release(&arena);
    unlink(in_folder("k8s/p.yaml", path, sizeof(path)));
    rmdir(in_folder("a/b", path, sizeof(path)));
    rmdir(in_folder("a", path, sizeof(path)));
}

static void nothing_is_written_over(void **unused)
{
    char path[300];
    struct error err = {0};
    (void)unused;
    write_file("there.lua", "x");
    in_folder("there.lua", path, sizeof(path));
    assert_false(explore_file_check(path, &err));
    assert_non_null(strstr(err.text, "is there already"));
    err = (struct error){0};
    assert_false(explore_file_write(path, "y", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_survive_being_saved),
        cmocka_unit_test(nothing_is_written_over),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
