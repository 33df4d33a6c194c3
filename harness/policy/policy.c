#include "policy/policy.h"

#include "policy/kind.h"
#include "policy/linkerd.h"
#include "policy/provenance.h"
#include "policy/quote.h"
#include "policy/reader.h"
#include "policy/shape.h"
#include "policy/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAX_BYTES ((size_t)32 << 20)
#define MAX_NODES ((size_t)1000000)
#define MAX_FILES ((size_t)2000)

static struct policy *policy_new(const struct policy_options *options)
{
    char target[48];
    struct policy *p = check_alloc_zero(1, sizeof(*p));
    p->arena = check_alloc_zero(1, sizeof(*p->arena));
    p->interned = check_alloc_zero(1, sizeof(*p->interned));
    arena_init(p->arena, STORE_MAX_ARENA);
    map_init(p->interned, STORE_MAX_TEXTS);
    p->options = *options;
    p->nodes_left = MAX_NODES;
    target_print(options->target, target, sizeof(target));
    p->default_origin = arena_printf(p->arena, "default of %s", target);
    return p;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    free(p->objects);
    free(p->routes);
    free(p->destinations);
    free(p->services);
    free(p->extensions);
    free(p->waypoints);
    free(p->profiles);
    free(p->profile_rules);
    free(p->profile_routes);
    free(p->service_budgets);
    free(p->entries);
    free(p->peer_rules);
    free(p->server_rules);
    free(p->server_limits);
    free(p->passed_overs);
    free(p->findings);
    free(p->names);
    free(p->quotes);
    arena_release(p->arena);
    map_release(p->interned);
    free(p->arena);
    free(p->interned);
    free(p);
}

static bool add_bytes(struct policy *p, struct bytes yaml, const char *name, struct error *err)
{
    const struct yaml_node **documents = NULL;
    size_t count = 0;
    if (yaml.len > MAX_BYTES - p->bytes)
        return error_set(err, ERROR_LIMIT, "the policy files together have more than %zu bytes",
                         MAX_BYTES);
    p->bytes += yaml.len;
    if (!yaml_parse(yaml, name, &p->nodes_left, p->arena, &documents, &count, err))
        return false;
    size_t first = p->object_count;
    for (size_t i = 0; i < count; i++)
        object_read(p, documents[i]);
    quote_add(p, yaml, name, documents, count, first);
    return true;
}

static void read_object(struct policy *p, struct object *o)
{
    char target[48];
    const struct kind *row = o->row;
    if (row == NULL)
        return; /* lint_policy tells an unknown kind from a group that is not ours */
    target_print(p->options.target, target, sizeof(target));
    linkerd_check_annotations(p, o);
    if ((row->meshes & MESH_BIT(p->options.target.mesh)) == 0) {
        if (row->dialect != DIALECT_NONE)
            lint_add(p, LINT_TARGET_FOREIGN, o->kind_source, "%s %.60s of %s is not read by %s",
                     o->kind, o->name, o->group, target);
        passed_over_add(p, o, arena_printf(p->arena, "not read by %s", target));
        return;
    }
    o->refused = !kind_has_version(row, o->version);
    if (o->refused)
        lint_add(p, LINT_KIND_VERSION, o->version_source, "%s has no version %.30s, only %s",
                 o->kind, o->version, row->versions);
    if ((row->since_mesh & MESH_BIT(p->options.target.mesh)) != 0 &&
        !target_since(p->options.target, row->major, row->minor)) {
        bool limit = strcmp(o->kind, "HTTPLocalRateLimitPolicy") == 0;
        lint_add(p, limit ? LINT_LINKERD_RATE_LIMIT_NEEDS_2_17 : LINT_KIND_SINCE, o->kind_source,
                 "%s is known since %u.%u: %s has no such kind", o->kind, row->major, row->minor,
                 target);
        o->refused = true;
    }
    if (row->dialect == DIALECT_NOT_JUDGED) {
        bool filter = strcmp(o->kind, "EnvoyFilter") == 0; /* anything may be in it */
        lint_add(p, filter ? LINT_ISTIO_ENVOY_FILTER : LINT_POLICY_NOT_JUDGED, o->kind_source,
                 "%s %.60s is not read by meshproof%s", o->kind, o->name,
                 filter ? ": it may change all that is judged" : "");
        return;
    }
    if (o->refused)
        passed_over_add(p, o, arena_printf(p->arena, "%s has no such kind or version", target));
    /* A Linkerd object that is refused has nothing in force either way, and more to say. */
    if (o->refused && row->dialect != DIALECT_LINKERD)
        return;
    if (row->dialect != DIALECT_NONE)
        shape_check(p, o);
    switch (row->dialect) {
#define READER(NAME, name, what) \
    case DIALECT_##NAME: \
        name##_read(p, o); \
        break;
#include "policy/readers.def"
#undef READER
    case DIALECT_NONE:
    case DIALECT_NOT_JUDGED:
        break;
    }
}

static int compare_findings(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    int order = x->source.file == NULL || y->source.file == NULL
                    ? (x->source.file != NULL) - (y->source.file != NULL)
                    : strcmp(x->source.file, y->source.file);
    if (order != 0)
        return order;
    if (x->source.line != y->source.line)
        return x->source.line < y->source.line ? -1 : 1;
    if (x->source.column != y->source.column)
        return x->source.column < y->source.column ? -1 : 1;
    order = strcmp(x->rule, y->rule);
    return order != 0 ? order : strcmp(x->text, y->text);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(struct policy *p)
{
    size_t kept = 0;
    if (p->finding_count > 0)
        qsort(p->findings, p->finding_count, sizeof(*p->findings), compare_findings);
    for (size_t i = 0; i < p->finding_count; i++) {
        if (kept == 0 || compare_findings(&p->findings[kept - 1], &p->findings[i]) != 0)
            p->findings[kept++] = p->findings[i];
    }
    p->finding_count = kept;
    kept = 0;
    if (p->name_count > 0)
        qsort(p->names, p->name_count, sizeof(*p->names), compare_names);
    for (size_t i = 0; i < p->name_count; i++) {
        if (kept == 0 || strcmp(p->names[kept - 1], p->names[i]) != 0)
            p->names[kept++] = p->names[i];
    }
    p->name_count = kept;
}

/* All files are in: readers, rules, order. Takes ${p} over. */
static bool finish(struct policy *p, struct policy **ret, struct error *err)
{
    for (size_t i = 0; i < p->object_count; i++)
        read_object(p, &p->objects[i]);
    linkerd_check_limits(p);
    lint_policy(p);
    sort(p);
    if (p->limit.kind != ERROR_NONE) {
        struct source at = p->limit.source;
        /* The mark's file goes with the policy. */
        error_set(err, p->limit.kind, "%.100s:%u: %.120s", at.file == NULL ? "?" : at.file, at.line,
                  p->limit.text);
        policy_free(p);
        return false;
    }
    *ret = p;
    return true;
}

/* An error's mark borrows the file's name from the policy, which is freed: say it in the text. */
static bool give_up(struct policy *p, struct error *err)
{
    if (err != NULL && err->source.file != NULL) {
        char at[200];
        source_format(err->source, true, at, sizeof(at));
        err->source = (struct source){0};
        error_prefix(err, "%s: ", at);
    }
    policy_free(p);
    return false;
}

bool policy_read_bytes(struct bytes yaml, const char *name, const struct policy_options *options,
                       struct policy **ret, struct error *err)
{
    struct policy *p = policy_new(options);
    *ret = NULL;
    return add_bytes(p, yaml, name, err) ? finish(p, ret, err) : give_up(p, err);
}

/* All bytes up to one more than a file may have. */
static bool read_stream(struct policy *p, FILE *file, const char *name, struct error *err)
{
    uint8_t *at = check_alloc(YAML_MAX_BYTES + 1);
    size_t len = fread(at, 1, YAML_MAX_BYTES + 1, file);
    bool good = ferror(file) == 0 || error_set(err, ERROR_INPUT, "reading %.120s failed", name);
    if (good && len > YAML_MAX_BYTES)
        good = error_set(err, ERROR_LIMIT, "%.120s has more than the %zu bytes of a policy file",
                         name, YAML_MAX_BYTES);
    good = good && add_bytes(p, (struct bytes){at, len}, name, err);
    free(at);
    return good;
}

static bool read_file(struct policy *p, const char *path, struct error *err)
{
    struct stat st;
    FILE *file = NULL;
    if (stat(path, &st) != 0)
        return error_set(err, ERROR_INPUT, "reading %.120s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INPUT, "%.120s is neither a file nor a folder", path);
    if ((uint64_t)st.st_size > YAML_MAX_BYTES)
        return error_set(err, ERROR_LIMIT, "%.120s has %lld bytes, a policy file may have %zu",
                         path, (long long)st.st_size, YAML_MAX_BYTES);
    if ((file = fopen(path, "rb")) == NULL)
        return error_set(err, ERROR_INPUT, "reading %.120s: %s", path, strerror(errno));
    bool good = read_stream(p, file, path, err);
    fclose(file);
    return good;
}

static bool is_yaml(const char *name)
{
    size_t n = strlen(name);
    return name[0] != '.' && ((n > 5 && strcmp(name + n - 5, ".yaml") == 0) ||
                              (n > 4 && strcmp(name + n - 4, ".yml") == 0));
}

/* The YAML files of one folder, sorted; not those of folders in it, as kubectl apply -f. */
static bool read_folder(struct policy *p, const char *path, struct error *err)
{
    char **names = NULL;
    size_t count = 0, capacity = 0, n = strlen(path);
    DIR *dir = opendir(path);
    bool good = true;
    if (dir == NULL)
        return error_set(err, ERROR_INPUT, "reading %.120s: %s", path, strerror(errno));
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (is_yaml(e->d_name))
            *(char **)store_grow((void **)&names, &count, &capacity, sizeof(*names)) =
                check_strdup(e->d_name);
    }
    closedir(dir);
    if (count == 0)
        good = error_set(err, ERROR_INPUT, "%.120s has no *.yaml and no *.yml file", path);
    else if (count > MAX_FILES)
        good = error_set(err, ERROR_LIMIT, "%.120s has more than %zu YAML files", path, MAX_FILES);
    else
        qsort(names, count, sizeof(*names), compare_names);
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (size_t i = 0; i < count; i++) {
        const char *full = arena_printf(p->arena, "%.*s/%s", (int)n, path, names[i]);
        good = good && read_file(p, full, err);
        free(names[i]);
    }
    free(names);
    return good;
}

/* `kubectl get -o yaml | meshproof explain -`. At its end already, it was read before or never had
 * anything. */
static bool read_stdin(struct policy *p, struct error *err)
{
    size_t before = p->bytes;
    if (!read_stream(p, stdin, "stdin", err))
        return false;
    return p->bytes > before || error_set(err, ERROR_INPUT, "stdin (-) has no policy: it is empty");
}

bool policy_read(const char *const *paths, size_t count, const struct policy_options *options,
                 struct policy **ret, struct error *err)
{
    struct policy *p = policy_new(options);
    bool good = true;
    *ret = NULL;
    for (size_t i = 0; i < count && good; i++) {
        struct stat st;
        if (strcmp(paths[i], "-") == 0) {
            good = read_stdin(p, err);
            continue;
        }
        bool folder = stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode);
        good = folder ? read_folder(p, paths[i], err) : read_file(p, paths[i], err);
    }
    return good ? finish(p, ret, err) : give_up(p, err);
}

size_t policy_object_count(const struct policy *p)
{
    return p->object_count;
}

const struct finding *policy_findings(const struct policy *p, size_t *ret_count)
{
    *ret_count = p->finding_count;
    return p->findings;
}

const char *const *policy_services(const struct policy *p, size_t *ret_count)
{
    *ret_count = p->name_count;
    return p->names;
}
