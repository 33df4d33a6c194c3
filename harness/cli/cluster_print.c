#include "cli/cluster.h"

#include "base/units.h"
#include "cli/small_file.h"
#include "kube/manifest.h"

#include <stdlib.h>

/* run --as-manifests: what a run would make, for people to read and for kubectl to apply. With
 * --job the Job alone and its suite, which makes the rest itself. */

#define GRACES_S 120 /* two graces: what the Job's own deadline must leave us (trap 4) */
#define JOB_S 1800
#define SUITE_MOST_BYTES ((size_t)900 * 1024) /* a ConfigMap ends at 1 MiB */
#define WORDS_MOST 80

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* All files of a suite lie beside it in the pod: a ConfigMap has no folders. */
static bool add_file(const char *suite, const char *path, json_t *data, size_t *bytes,
                     struct error *err)
{
    struct buffer file;
    size_t folder = (size_t)(base_of(suite) - suite);
    if (strlen(path) <= folder || strncmp(path, suite, folder) != 0 ||
        strchr(path + folder, '/') != NULL)
        return error_set(err, ERROR_USAGE,
                         "%.100s is not in the folder of %.100s: --job puts a suite and its files "
                         "into one ConfigMap, which has no folders",
                         path, suite);
    bool ok = small_file_read(path, &file, err);
    *bytes += file.len;
    if (ok && *bytes > SUITE_MOST_BYTES)
        ok = error_set(err, ERROR_LIMIT,
                       "the suite and its files have more than the %zu KiB that "
                       "a ConfigMap may have",
                       SUITE_MOST_BYTES / 1024);
    if (ok && json_object_set_new(data, path + folder,
                                  json_stringn((const char *)file.at, file.len)) != 0)
        ok = error_set(err, ERROR_INPUT, "%.100s is no UTF-8 text", path);
    buffer_release(&file);
    return ok;
}

static json_t *suite_map(const struct cluster *c, const char *suite, const char *name,
                         struct error *err)
{
    json_t *data = json_object();
    const json_t *row;
    size_t i, bytes = 0;
    bool ok = add_file(suite, suite, data, &bytes, err);
    json_array_foreach(c->prepared->plan->files, i, row)
    {
        const char *path = json_string_value(json_object_get(row, "path"));
        if (ok && path != NULL && json_object_get(data, base_of(path)) == NULL)
            ok = add_file(suite, path, data, &bytes, err);
    }
    for (size_t k = 0; k < c->prepared->plan->scenario_count; k++) {
        const struct mesh_plan *mesh = &c->prepared->plan->scenarios[k].mesh;
        for (size_t n = 0; ok && n < mesh->policy_count; n++)
            if (json_object_get(data, base_of(mesh->policy[n])) == NULL)
                ok = add_file(suite, mesh->policy[n], data, &bytes, err);
    }
    json_t *map =
        json_pack("{ss ss s{ss so* s{ss}} so}", "apiVersion", "v1", "kind", "ConfigMap", "metadata",
                  "name", name, "namespace",
                  c->options.run.namespace == NULL ? NULL : json_string(c->options.run.namespace),
                  "labels", OBJECTS_RUN_LABEL, c->options.run.run, "data", data);
    if (ok)
        return map;
    json_decref(map);
    return NULL;
}

/* The words of this run that go on standing in the pod. */
static size_t job_words(const struct arguments *args, enum objects_mode mode, const char *suite,
                        uint64_t deadline_s, struct arena *arena, const char **to)
{
    static const char *const passed[] = {"tag",       "skip-tag",    "scenario", "set",
                                         "seed",      "depth",       "strict",   "patience",
                                         "driver",    "defect",      "target",   "only-phase",
                                         "yes",       "inflight",    "pace",     "on-inconclusive",
                                         "image",     "swap",        "allow",    "load-agents",
                                         "endpoints", "netem-agents"};
    size_t n = 0;
    to[n++] = "run";
    to[n++] = arena_printf(arena, "/suite/%s", base_of(suite));
    to[n++] = "--on=kubernetes";
    to[n++] = arena_printf(arena, "--mode=%s", objects_mode_words[mode]);
    to[n++] = arena_printf(arena, "--deadline=%llus", (unsigned long long)deadline_s);
    to[n++] = "--output=/data/run.db";
    to[n++] = "--plain";
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        const char *values[16];
        size_t count = arguments_given(args, passed[i])
                           ? arguments_all(args, passed[i], values, COUNT_OF(values))
                           : 0;
        for (size_t k = 0; k < count && k < COUNT_OF(values) && n < WORDS_MOST - 1; k++)
            to[n++] = values[k][0] == '\0' ? arena_printf(arena, "--%s", passed[i])
                                           : arena_printf(arena, "--%s=%s", passed[i], values[k]);
    }
    to[n] = NULL;
    return n;
}

static bool print_job(struct cluster *c, const struct arguments *args, const char *suite,
                      struct text *to, struct error *err)
{
    const char *words[WORDS_MOST];
    char name[OBJECTS_NAME_MOST + 1];
    uint64_t deadline_ns = 0;
    struct arena arena;
    if (!arguments_duration(args, "deadline", &deadline_ns, err))
        return false;
    uint64_t deadline_s = deadline_ns == 0 ? JOB_S - GRACES_S : deadline_ns / 1000000000;
    snprintf(name, sizeof(name), "mp-%s-suite", c->options.run.run);
    json_t *map = suite_map(c, suite, name, err);
    if (map == NULL)
        return false;
    arena_init(&arena, (size_t)1024 * 1024);
    job_words(args, c->options.run.mode, suite, deadline_s, &arena, words);
    json_t *job = objects_job(&c->options.run, words, (uint32_t)deadline_s + GRACES_S, name);
    json_t *both = json_pack("[oo]", map, job);
    manifest_print_all(both, c->options.run.run, to);
    json_decref(both);
    arena_release(&arena);
    return true;
}

int cluster_print(struct cluster *c, const struct arguments *args, const char *suite)
{
    struct error err = {0};
    struct text t;
    bool ok = true;
    text_init(&t, MANIFEST_MOST_BYTES);
    if (c->options.run.image == NULL)
        ok = error_set(&err, ERROR_USAGE, "--as-manifests needs --image: which one the pods run");
    else if (arguments_given(args, "job"))
        ok = print_job(c, args, suite, &t, &err);
    else {
        struct objects_run run = c->options.run;
        run.conductor = "CONDUCTOR:7400"; /* its pod's address; nobody knows it before */
        json_t *all = objects_in_order(&run, c->options.services, c->options.service_count,
                                       c->options.policies, 1, "RUN:KEY");
        manifest_print_all(all, run.run, &t);
        json_decref(all);
    }
    if (ok && t.full)
        ok = error_set(&err, ERROR_LIMIT, "the manifests have more than %zu MiB",
                       MANIFEST_MOST_BYTES >> 20);
    if (ok)
        fputs(text_get(&t), stdout);
    text_release(&t);
    return ok ? EXIT_PASS : command_fail(&err);
}
