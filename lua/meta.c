#include "base/text.h"
#include "lua/hook.h"
#include "lua/hook_engine.h"
#include "plan/row.h"
#include "plan/words.h"

/* meta.lua for editors (LuaLS), printed from the rows that check the language: the keys of faults,
 * expectations, awaits and of the frame's words, and what hooks are handed. */

static const char *lua_type_of(const struct param *row)
{
    if (row->list)
        return "string|string[]";
    switch (row->unit) {
    case UNIT_COUNT:
        return "integer";
    case UNIT_MAP:
        return "table";
    case UNIT_TEXT:
    case UNIT_TIME_NS:
    case UNIT_BYTES:
    case UNIT_SHARE_PPM:
    case UNIT_RATE_PER_H:
    case UNIT_BYTES_PER_S:
    case UNIT_WORD:
    case UNIT_PLACE:
        return "string";
    }
    UNREACHABLE();
}

static void print_words(struct text *to, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        text_add(to, "%s\"%s\"", i == 0 ? "" : "|", words[i]);
}

static void print_row(struct text *to, const struct param *row, const char *type)
{
    text_add(to, "---@field %s%s ", row->name, row->required ? "" : "?");
    if (row->words != NULL)
        print_words(to, row->words);
    else
        text_add(to, "%s", type);
    text_add(to, " %s", row->help != NULL ? row->help : "");
    if (row->fallback != NULL)
        text_add(to, " (%s)", row->fallback);
    text_add(to, "\n");
}

static void print_word(struct text *to, const char *family, const char *word, const char *help)
{
    text_add(to, "---%s\n---@param keys meshproof.%s.%s\n---@return meshproof.step\n", help, family,
             word);
    text_add(to, "function %s.%s(keys) end\n\n", family, word);
}

static void print_faults(struct text *to)
{
    size_t count;
    const struct fault_type *const *types = fault_types(&count);
    text_add(to, "---@class meshproof.fault\n");
    for (size_t i = 0; i < fault_common_param_count; i++) {
        struct param row = fault_common_params[i];
        bool mode = strcmp(row.name, "mode") == 0;
        print_row(to, &row, mode ? "string|integer" : lua_type_of(&row));
    }
    text_add(to, "fault = {}\n\n");
    for (size_t i = 0; i < count; i++) {
        text_add(to, "---@class meshproof.fault.%s: meshproof.fault\n", types[i]->name);
        for (size_t k = 0; k < types[i]->param_count; k++)
            print_row(to, &types[i]->params[k], lua_type_of(&types[i]->params[k]));
        print_word(to, "fault", types[i]->name, types[i]->help);
    }
}

/* Rows of words describe shapes by their offset (plan/words.h). */
static const char *shape_of(const struct param *row)
{
    switch ((enum word_shape)row->offset) {
    case SHAPE_ONE:
        return lua_type_of(row);
    case SHAPE_LIST:
        return "string|string[]";
    case SHAPE_NUMBER:
        return "number";
    case SHAPE_ANY:
        return "string|number";
    }
    UNREACHABLE();
}

static void print_plan_words(struct text *to)
{
    size_t count;
    const struct word_type *types = word_types(&count);
    text_add(to, "expect = {}\nawait = {}\ncert = {}\n\n");
    for (size_t i = 0; i < count; i++) {
        text_add(to, "---@class meshproof.%s.%s\n", types[i].family, types[i].word);
        for (size_t k = 0; k < types[i].param_count; k++) {
            struct param row = types[i].params[k];
            if (row.offset == SHAPE_LIST)
                row.words = NULL; /* of each element */
            print_row(to, &row, shape_of(&row));
        }
        print_word(to, types[i].family, types[i].word, types[i].help);
    }
}

static const char *frame_type(const struct row *row)
{
    switch (row->kind) {
    case ROW_NUMBER:
        return row->unit == UNIT_COUNT ? "integer" : "string";
    case ROW_REAL:
        return "number";
    case ROW_TEXTS:
        return "string|string[]";
    case ROW_TEXT:
    case ROW_WORD:
    case ROW_PLACE:
    case ROW_SOURCE:
    case ROW_STEP:
        return "string";
    case ROW_JSON:
    case ROW_ARRAY:
    case ROW_SUB:
    case ROW_LIST:
    case ROW_SPECIAL:
    case ROW_UNBUILT:
        return "any";
    }
    UNREACHABLE();
}

static void print_keys(struct text *to, const struct row_table *table, const char *word)
{
    text_add(to, "---@class meshproof.%s\n", word);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if ((row->face & ROW_SUITE) == 0 || row->kind == ROW_UNBUILT ||
            (row->only != NULL && strcmp(row->only, word) != 0))
            continue;
        text_add(to, "---@field %s%s ", row->name, row->required ? "" : "?");
        if (row->words != NULL && row->kind != ROW_TEXTS)
            print_words(to, row->words);
        else
            text_add(to, "%s", frame_type(row));
        text_add(to, "\n");
    }
}

/* The words of a family that take keys alone. */
static void print_family(struct text *to, const struct row_table *table, const char *family,
                         const char *const *words, size_t count)
{
    text_add(to, "%s = {}\n\n", family);
    for (size_t i = 0; i < count; i++) {
        char word[64];
        snprintf(word, sizeof(word), "%s.%s", family, words[i]);
        print_keys(to, table, word);
        text_add(to, "---@param keys meshproof.%s\n---@return any\nfunction %s(keys) end\n\n", word,
                 word);
    }
}

/* ${curried}: a name first. */
static void print_frame(struct text *to, const struct row_table *table, const char *word,
                        bool curried)
{
    print_keys(to, table, word);
    text_add(to, "---@field [integer] any steps, or lists of them\n");
    if (curried)
        text_add(to,
                 "---@param name string\n---@return fun(keys: meshproof.%s): any\n"
                 "function %s(name) end\n\n",
                 word, word);
    else
        text_add(to, "---@param keys meshproof.%s\n---@return any\nfunction %s(keys) end\n\n", word,
                 word);
}

static void print_fields(struct text *to, const char *name, const struct hook_field_row *rows,
                         size_t count)
{
    text_add(to, "---@class meshproof.%s\n", name);
    for (size_t i = 0; i < count; i++)
        text_add(to, "---@field %s %s %s\n", rows[i].name, rows[i].type, rows[i].about);
    text_add(to, "\n");
}

static void print_arg(struct text *to, const char *arg, size_t len)
{
    text_add(to, "%.*s: meshproof.%.*s", (int)len, arg, (int)len, arg);
}

static void print_events(struct text *to)
{
    text_add(to, "---@class meshproof.hook\n---@field with? table<string, string> rows: "
                 "type[!|=default]\n---@field about? string\n");
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        const struct hook_event_row *row = &hook_event_rows[i];
        size_t first = strcspn(row->args, ",");
        text_add(to, "---@field %s? fun(", row->name);
        print_arg(to, row->args, first);
        if (row->args[first] == ',') {
            text_add(to, ", ");
            print_arg(to, row->args + first + 2, strlen(row->args + first + 2));
        }
        text_add(to, "): meshproof.act? %s\n", row->about);
    }
    text_add(to, "---@param name string\n---@return fun(keys: meshproof.hook): any\n"
                 "function hook(name) end\n\n");
}

static void print_acts(struct text *to)
{
    text_add(to, "---@class meshproof.act\n\n"
                 "---@class meshproof.answer\n---@field status? integer\n---@field headers? "
                 "table<string, string|number>\n---@field body? string\n---@field grpc? "
                 "string|integer\n---@field message? string\n\n"
                 "---@class meshproof.edit\n---@field set? table<string, string|number>\n"
                 "---@field drop? string[]\n\nact = {}\n\n");
    for (size_t i = 0; i < HOOK_ACTS; i++) {
        const struct hook_act_row *row = &hook_act_rows[i];
        size_t name = strcspn(row->args, ":");
        text_add(to, "---%s\n", row->about);
        if (row->args[0] != '\0')
            text_add(to, "---@param %.*s %s\n", (int)name, row->args, row->args + name + 2);
        text_add(to, "---@return meshproof.act\nfunction act.%s(%.*s) end\n\n", row->name,
                 (int)name, row->args);
    }
}

static void print_hooks(struct text *to)
{
    print_fields(to, "call", hook_call_rows, hook_call_row_count);
    print_fields(to, "reply", hook_reply_rows, hook_reply_row_count);
    print_fields(to, "conn", hook_conn_rows, hook_conn_row_count);
    print_fields(to, "hello", hook_hello_rows, hook_hello_row_count);
    text_add(to, "---@class meshproof.tls\n---@field version string\n---@field alpn? string\n"
                 "---@field peer? string\n---@field resumed boolean\n\n"
                 "---@class meshproof.chunk\n---@field last boolean\n"
                 "---@field byte fun(self, i: integer): integer?\n"
                 "---@field sub fun(self, i: integer, j?: integer): string\n"
                 "---@field find fun(self, plain: string, init?: integer): integer?, integer?\n"
                 "---@field flip fun(self, bit: integer): string\n"
                 "---@field bytes fun(self): string\n"
                 "---@operator len: integer\n\n");
    print_events(to);
    print_acts(to);
    text_add(to,
             "rng = {}\n---@param n integer\n---@return integer\nfunction rng.below(n) end\n"
             "---@param share number\n---@return boolean\nfunction rng.chance(share) end\n"
             "---@param a number\n---@param b number\n---@return number\n"
             "function rng.uniform(a, b) end\n"
             "---@param mean number\n---@param sd number\n---@return number\n"
             "function rng.normal(mean, sd) end\n\n"
             "clock = {}\n---@return integer ns since the run began\nfunction clock.now() end\n\n"
             "log = {}\n---@param text string\nfunction log.info(text) end\n"
             "---@param text string\nfunction log.warn(text) end\n\n"
             "---@param s string\n---@param glob string\n---@return boolean\n"
             "function string.glob(s, glob) end\n"
             "---@param s string\n---@param separator string\n---@return string[]\n"
             "function string.split(s, separator) end\n");
}

void meta_print(struct text *to)
{
    static const char *const guards[] = {"approval", "limits", "stop", "window"};
    static const char *const notifies[] = {"grafana", "slack", "webhook"};
    static const char *const probes[] = {"client", "grpc_health", "http", "promql", "tcp"};
    text_add(to,
             "---@meta\n-- Printed by `meshproof faults --meta`: the words of suites and hooks, "
             "for editors.\n\n---@class meshproof.step\n\n");
    print_frame(to, &suite_table, "suite", true);
    print_frame(to, &scenario_table, "scenario", true);
    print_frame(to, &phase_table, "phase", true);
    print_frame(to, &lab_table, "lab", false);
    print_frame(to, &service_table, "service", true);
    print_frame(to, &call_table, "call", true);
    print_family(to, &guard_table, "guard", guards, COUNT_OF(guards));
    print_family(to, &probe_table, "probe", probes, COUNT_OF(probes));
    print_family(to, &notify_table, "notify", notifies, COUNT_OF(notifies));
    print_faults(to);
    print_plan_words(to);
    print_hooks(to);
}
