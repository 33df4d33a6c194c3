#include "cli/prepare.h"
#include "cli/starter.h"

#include "base/units.h"
#include "lua/hook_engine.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* meshproof init: the gate of a policy, and what an editor needs to help with suites. */

#define FROM_MOST 16
#define FILES 4

static const struct option init_options[] = {
    {"from", 0, "PATH", NULL, "From", "the policy: files or folders of YAML", NULL, true},
    {"target", 0, "NAME@VERSION", "istio@1.31", "From", "whose semantics", NULL, false},
};

struct start {
    const struct arguments *args;
    const char *folder; /* "" or "DIR/" */
    const char *from[FROM_MOST];
    size_t from_count;
    struct arena arena;
    uint64_t planned_ns; /* 0: it could not be planned */
};

/* How far two absolute paths are the same, in whole components; 1: the root alone. */
static size_t common(const char *a, const char *b)
{
    size_t same = 1;
    for (size_t i = 1;; i++) {
        bool end_a = a[i] == '/' || a[i] == '\0', end_b = b[i] == '/' || b[i] == '\0';
        if (end_a && end_b)
            same = i;
        if (a[i] != b[i] || a[i] == '\0')
            return same;
    }
}

/* ${path} as it is written in a file of the folder ${base}. */
static bool relative(const char *path, const char *base, struct arena *arena, const char **ret,
                     struct error *err)
{
    char to[PATH_MAX], from[PATH_MAX];
    struct text t;
    struct stat st;
    if (realpath(path, to) == NULL)
        return error_set(err, ERROR_USAGE, "--from %.200s: %s", path, strerror(errno));
    if (realpath(base, from) == NULL)
        return error_system(err, errno, "%s", base);
    size_t same = common(to, from);
    text_init(&t, (size_t)4 * PATH_MAX);
    for (const char *at = from + same; *at != '\0'; at++)
        if (*at != '/' && (at == from + same || at[-1] == '/'))
            text_add(&t, "../");
    text_add(&t, "%s%s", to + same + (to[same] == '/'),
             stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? "/" : "");
    *ret = arena_strdup(arena, text_get(&t));
    text_release(&t);
    return true;
}

/* A Lua string of what may be any file name. */
static void add_quoted(struct text *t, const char *from)
{
    text_add(t, "\"");
    for (; *from != '\0'; from++)
        if (*from == '"' || *from == '\\' || (unsigned char)*from < 32)
            text_add(t, "\\%03u", (unsigned)(unsigned char)*from);
        else
            text_add(t, "%c", *from);
    text_add(t, "\"");
}

static bool gate(struct start *s, struct bytes *ret, struct error *err)
{
    struct text t;
    const char *suites = arena_printf(&s->arena, "%ssuites", s->folder);
    text_init(&t, (size_t)64 * 1024);
    text_add(&t,
             "-- The gate: what the policy declares, asked of the mesh. Nothing is typed twice: "
             "each number is the policy's.\n"
             "--   meshproof plan suites/gate.lua     what it will do, and how long it takes\n"
             "--   meshproof run suites/gate.lua      the verdict\n"
             "--   meshproof plan suites/gate.lua --as lua     the generated phases, to copy "
             "from\n"
             "return scenario.from_policy {\n  policy = { ");
    for (size_t i = 0; i < s->from_count; i++) {
        const char *path;
        if (!relative(s->from[i], suites, &s->arena, &path, err)) {
            text_release(&t);
            return false;
        }
        text_add(&t, i > 0 ? ", " : "");
        add_quoted(&t, path);
    }
    text_add(&t, " },\n  target = \"%s\",\n", arguments_get(s->args, "target"));
    text_add(&t,
             "  tags = { \"gate\" },\n"
             "  budget = param \"budget\" { default = \"10m\", help = \"the longest that an edge "
             "may take\" },\n"
             "  -- methods = { \"GET\", \"POST\" }, -- a method that is not idempotent must be "
             "named here to be sent\n}\n");
    const char *text = arena_strdup(&s->arena, text_get(&t));
    *ret = bytes_of(text);
    text_release(&t);
    return true;
}

static struct bytes config(struct start *s)
{
    const char *target = arguments_get(s->args, "target");
    return bytes_of(arena_printf(
        &s->arena,
        "# Options of meshproof by command, and under `all` those of every command. The command "
        "line and\n# MESHPROOF_<OPTION> stand above them. No secrets: names of environment "
        "variables only.\nlint: {target: %s}\nexplain: {target: %s}\n",
        target, target));
}

static struct bytes types(struct start *s)
{
    struct text t;
    text_init(&t, (size_t)1024 * 1024);
    meta_print(&t);
    const char *text = arena_strdup(&s->arena, text_get(&t));
    text_release(&t);
    return bytes_of(text);
}

static bool make_folder(const char *path, struct error *err)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST || error_system(err, errno, "%s", path);
}

/* What is there already, in one sentence: nothing is made then. */
static bool is_free(const struct starter_file *files, struct error *err)
{
    const char *there[FILES];
    char list[400] = "";
    size_t count = starter_there(files, FILES, there), used = 0;
    for (size_t i = 0; i < count && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%.80s",
                                 i == 0                        ? ""
                                 : i + 1 == count && count > 1 ? " and "
                                                               : ", ",
                                 there[i]);
    return count == 0 || error_set(err, ERROR_USAGE, "%s %s there already: init never overwrites",
                                   list, count == 1 ? "is" : "are");
}

static bool write_files(struct start *s, struct error *err)
{
    struct starter_file files[FILES] = {
        {arena_printf(&s->arena, "%ssuites/gate.lua", s->folder), {0}},
        {arena_printf(&s->arena, "%s.meshproof.yaml", s->folder), config(s)},
        {arena_printf(&s->arena, "%s.luarc.json", s->folder),
         BYTES("{\n  \"runtime.version\": \"Lua 5.4\",\n  \"workspace.library\": [\"types\"],\n  "
               "\"workspace.checkThirdParty\": false\n}\n")},
        {arena_printf(&s->arena, "%stypes/meshproof.lua", s->folder), types(s)},
    };
    if (!is_free(files, err) || (s->folder[0] != '\0' && !make_folder(s->folder, err)) ||
        !make_folder(arena_printf(&s->arena, "%ssuites", s->folder), err) ||
        !gate(s, &files[0].content, err) || !starter_write(files, FILES, err))
        return false;
    printf("made  %s  %s  %s  %s\n", files[0].path, files[1].path, files[2].path, files[3].path);
    return true;
}

/* How long the gate takes, as `plan` would say; its errors are printed there, not here. */
static void plan_gate(struct start *s, const char *path)
{
    struct arguments args;
    struct prepared p;
    struct error err = {0};
    char *line[] = {"plan", arena_strdup(&s->arena, path), NULL};
    if (!arguments_parse(&args, command_find("plan"), 2, line, &err)) {
        arguments_release(&args);
        return;
    }
    if (prepare(&args, path, &p) == EXIT_PASS)
        for (size_t i = 0; i < p.plan->scenario_count; i++)
            s->planned_ns += generate_length_ns(&p.plan->scenarios[i]);
    prepared_release(&p);
    arguments_release(&args);
}

static bool read_policy(struct start *s, size_t *ret_edges, struct error *err)
{
    struct policy_options options = {.endpoints = 3};
    struct policy *policy;
    size_t count, errors = 0, warnings = 0;
    if (!target_parse(arguments_get(s->args, "target"), &options.target, err) ||
        !policy_read(s->from, s->from_count, &options, &policy, err))
        return false;
    const char *const *services = policy_services(policy, ret_edges);
    size_t objects = policy_object_count(policy);
    printf("read  %s%s  %zu object%s, %zu edge%s governed", s->from[0],
           s->from_count > 1 ? " ..." : "", objects, objects == 1 ? "" : "s", *ret_edges,
           *ret_edges == 1 ? "" : "s");
    for (size_t i = 0; i < *ret_edges; i++)
        printf("%s client -> %s", i == 0 ? ":" : ",", services[i]);
    const struct finding *findings = policy_findings(policy, &count);
    for (size_t i = 0; i < count; i++) {
        errors += findings[i].severity == SEVERITY_ERROR;
        warnings += findings[i].severity == SEVERITY_WARNING;
    }
    printf("\nlint  %zu error%s, %zu warning%s%s%s\n", errors, errors == 1 ? "" : "s", warnings,
           warnings == 1 ? "" : "s", errors + warnings > 0 ? ": meshproof lint " : "",
           errors + warnings > 0 ? s->from[0] : "");
    policy_free(policy);
    return true;
}

static int start(struct start *s)
{
    struct error err = {0};
    size_t edges;
    char span[40];
    if (!read_policy(s, &edges, &err))
        return command_fail(&err);
    if (edges == 0) {
        error_set(&err, ERROR_INPUT,
                  "%.200s governs no edge: there is no gate to be made of it (meshproof lint says "
                  "why)",
                  s->from[0]);
        return command_fail(&err);
    }
    if (!write_files(s, &err))
        return command_fail(&err);
    const char *path = arena_printf(&s->arena, "%ssuites/gate.lua", s->folder);
    plan_gate(s, path);
    if (s->planned_ns == 0)
        return EXIT_PASS;
    uint64_t rounded = (s->planned_ns + 999999999) / 1000000000 * 1000000000;
    printf("next  meshproof plan %s      (builtin mesh, no privileges, about %s)\n", path,
           units_print_duration(rounded, span, sizeof(span)));
    return EXIT_PASS;
}

static int run(const struct arguments *args)
{
    struct start s = {.args = args, .folder = ""};
    struct error err = {0};
    size_t given = arguments_all(args, "from", s.from, FROM_MOST);
    s.from_count = given < FROM_MOST ? given : FROM_MOST;
    if (given == 0 || given > FROM_MOST || args->position_count > 1) {
        error_set(&err, ERROR_USAGE,
                  given > FROM_MOST ? "--from is given more than 16 times; name a folder"
                                    : "init needs the policy, and at most one folder: meshproof "
                                      "init --from k8s/");
        return command_fail(&err);
    }
    arena_init(&s.arena, (size_t)4 * 1024 * 1024);
    if (args->position_count == 1 && args->positions[0][0] != '\0') {
        const char *folder = args->positions[0];
        size_t n = strlen(folder);
        s.folder = arena_printf(&s.arena, "%s%s", folder, folder[n - 1] == '/' ? "" : "/");
    }
    int code = start(&s);
    arena_release(&s.arena);
    return code;
}

const struct command command_init = {
    .name = "init",
    .about = "Make the gate of a policy, and what an editor needs to help with suites.",
    .positions = "[DIR]",
    .options = init_options,
    .option_count = COUNT_OF(init_options),
    .exits = "0 made  4 cannot be written  64 usage, bad policy, or something is there already",
    .example = "meshproof init --from k8s/ --target istio@1.31",
    .run = run,
};
