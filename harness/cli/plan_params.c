#include "cli/plan_params.h"

#include "base/text.h"
#include "lua/suite.h"

#include <stdlib.h>

#define SETS_MOST 64
#define LINE_MOST_BYTES ((size_t)256 * 1024)

/* "200/s", 3: as it stands in the suite. */
static void add_value(const json_t *value, struct text *to)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    text_add(to, "%s", text != NULL ? text : json_string_value(value));
    free(text);
}

static void print_one(const json_t *p, struct text *to)
{
    const json_t *value = json_object_get(p, "value"), *usual = json_object_get(p, "default"),
                 *oneof = json_object_get(p, "oneof");
    const char *help = json_string_value(json_object_get(p, "help"));
    size_t line = to->len;
    text_add(to, "%s=", json_string_value(json_object_get(p, "name")));
    add_value(value != NULL ? value : usual, to);
    text_pad(to, line, 28, 1);
    if (value != NULL && !json_equal(value, usual)) {
        text_add(to, "default ");
        add_value(usual, to);
        text_add(to, "  ");
    }
    for (size_t i = 0; i < json_array_size(oneof); i++) {
        text_add(to, "%s", i == 0 ? "one of " : ", ");
        add_value(json_array_get(oneof, i), to);
    }
    if (json_array_size(oneof) > 0)
        text_add(to, "  ");
    if (help != NULL)
        text_add(to, "%s", help);
    text_pad(to, line, 76, 1);
    text_add(to, "%s\n", json_string_value(json_object_get(p, "where")));
}

static void print_json(const json_t *params)
{
    char *text = json_dumps(params, JSON_INDENT(1));
    puts(text);
    free(text);
}

static void print_text(const json_t *params, const char *suite)
{
    size_t i;
    json_t *one;
    struct text t;
    text_init(&t, LINE_MOST_BYTES);
    json_array_foreach((json_t *)(uintptr_t)params, i, one) print_one(one, &t);
    if (json_array_size(params) == 0)
        text_add(&t, "%s has no param: --set changes nothing there\n", suite);
    fputs(text_get(&t), stdout);
    text_release(&t);
}

int plan_params_print(const struct arguments *args, const char *suite, bool json)
{
    const char *sets[SETS_MOST];
    struct suite_options options = {.sets = sets};
    struct error errors[ERRORS_MOST] = {0};
    struct plan *plan = NULL;
    json_t *params = NULL;
    size_t count = 0;
    int code = EXIT_PASS;
    options.set_count = arguments_all(args, "set", sets, SETS_MOST);
    if (!suite_params(suite, &options, &params, &plan, errors, &count))
        for (size_t i = 0; i < count; i++)
            code = command_fail(&errors[i]);
    else if (json)
        print_json(params);
    else
        print_text(params, suite);
    json_decref(params);
    plan_free(plan);
    return code;
}
