#include "cli/doctor.h"

#include "base/clock.h"
#include "engine/folder.h"
#include "mesh/child.h"
#include "net/loop.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* The run is a process of its own, as a user would start it: what a user's run would meet, it
 * meets. Three endpoints that a third of the first tries fails at, so that the mesh has to retry.
 */

#define REPORT "report.json"
#define WITHIN_NS (60 * NS_PER_S)

static const char suite[] =
    "local edge = \"client -> echo\"\n"
    "return scenario \"doctor\" {\n"
    "  mesh = mesh.istio { policy = \"policy.yaml\", version = \"1.31\" },\n"
    "  lab = lab { service \"echo\" { endpoints = 3, work = \"0ms\" } },\n"
    "  load = load.open { on = edge, rate = \"100/s\", warmup = \"500ms\" },\n"
    "  settle = \"0ms\",\n"
    "  phase \"first tries fail\" { lasting = \"4s\",\n"
    "    fault.abort { on = \"echo\", status = 503, first = 1, share = \"30%\" },\n"
    "    expect.retries { on = edge, only = { \"happen\" } },\n"
    "    expect.success { on = edge, atleast = \"99%\" } } }\n";
static const char policy[] = "apiVersion: networking.istio.io/v1\n"
                             "kind: VirtualService\n"
                             "metadata: {name: echo}\n"
                             "spec:\n"
                             "  hosts: [echo]\n"
                             "  http:\n"
                             "  - retries: {attempts: 2, retryOn: \"5xx,reset,connect-failure\"}\n"
                             "    route:\n"
                             "    - destination: {host: echo}\n";

struct trial {
    struct loop *loop;
    struct child child;
    struct hold late;
    bool ended, timed_out;
};

static bool write_file(const char *folder, const char *name, const char *text, struct error *err)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    bool ok = f != NULL && fputs(text, f) >= 0;
    ok = (f == NULL || fclose(f) == 0) && ok;
    return ok || error_system(err, errno, "writing %s", path);
}

static void on_ended(void *cookie, const struct error *why)
{
    struct trial *t = cookie;
    (void)why; /* the report says more */
    t->ended = true;
    loop_stop(t->loop);
}

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct trial *t = (struct trial *)((char *)h - offsetof(struct trial, late));
    (void)now_ns;
    t->timed_out = true;
    loop_stop(t->loop);
}

/* The exit code is the report's; -1: there is none. */
static int walk(const char *driver, const char *folder, json_t **ret_report, struct error *err)
{
    struct trial t = {0};
    char log[4200], report[4200];
    const char *const argv[] = {"/proc/self/exe", "run",      "suite.lua",    "--driver",
                                driver,           "--plain",  "-q",           "--output",
                                "run.db",         "--report", "json=" REPORT, NULL};
    if (!loop_new(&t.loop, err))
        return -1;
    snprintf(log, sizeof(log), "%s/log", folder);
    snprintf(report, sizeof(report), "%s/" REPORT, folder);
    const struct child_program program = {.argv = argv, .log = log, .folder = folder};
    bool ok = child_start(&t.child, t.loop, &program, on_ended, &t, err);
    if (ok)
        loop_hold_add(t.loop, &t.late, loop_now_ns(t.loop) + WITHIN_NS, on_late);
    ok = ok && loop_run(t.loop, err);
    loop_hold_remove(t.loop, &t.late);
    child_end(&t.child);
    loop_free(t.loop);
    if (ok && t.timed_out)
        error_set(err, ERROR_PEER, "the run did not end within %d s", (int)(WITHIN_NS / NS_PER_S));
    *ret_report = ok && !t.timed_out ? json_load_file(report, 0, NULL) : NULL;
    const json_t *code = json_object_get(*ret_report, "exit");
    return json_is_integer(code) ? (int)json_integer_value(code) : -1;
}

static const char *last_line(const char *folder, char *to, size_t size)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/log", folder);
    FILE *f = fopen(path, "r");
    snprintf(to, size, "the run said nothing");
    while (f != NULL && fgets(to, (int)size, f) != NULL)
        to[strcspn(to, "\n")] = '\0';
    if (f != NULL)
        fclose(f);
    return to;
}

/* Of the verdict that did not pass: why. */
static const char *why_not(const json_t *report)
{
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(report, "verdicts"), i, v)
    {
        const char *word = json_string_value(json_object_get(v, "verdict"));
        const char *text = json_string_value(json_object_get(v, "text"));
        if (word != NULL && strcmp(word, "PASS") != 0 && text != NULL)
            return text;
    }
    return "";
}

static void look_at(struct doctor *d, const char *driver, const char *folder)
{
    struct error err = {0};
    json_t *report = NULL;
    char feature[40], line[200];
    int code = walk(driver, folder, &report, &err);
    long long stalls = json_integer_value(json_object_get(report, "stalls"));
    snprintf(feature, sizeof(feature), "lab, driver %s", driver);
    if (code == EXIT_PASS)
        doctor_row(d, true, feature,
                   "it retried what failed; our loops stood still for more than 8 ms %lld times "
                   "in 5 s%s",
                   stalls, stalls < 5 ? "" : ": claims of time will need longer");
    else if (code == EXIT_INCONCLUSIVE)
        doctor_row(d, false, feature, "a quiet machine: INCONCLUSIVE, %s", why_not(report));
    else if (code == EXIT_FAIL)
        doctor_row(d, false, feature, "it did not do what its policy says: %s", why_not(report));
    else
        doctor_row(d, false, feature, "%s",
                   err.kind != ERROR_NONE ? err.text : last_line(folder, line, sizeof(line)));
    json_decref(report);
}

bool doctor_lab(struct doctor *d, struct error *err)
{
    static const char *const drivers[] = {"builtin", "envoy"};
    char envoy[600], *folder;
    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        if (i > 0 && !doctor_envoy(envoy, sizeof(envoy)))
            continue;
        if (!folder_new("doctor", &folder, err))
            return false;
        bool ok = write_file(folder, "suite.lua", suite, err) &&
                  write_file(folder, "policy.yaml", policy, err);
        if (ok)
            look_at(d, drivers[i], folder);
        folder_remove(folder);
        free(folder);
        if (!ok)
            return false;
    }
    return true;
}
