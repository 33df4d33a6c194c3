#include "cli/cluster.h"
#include "cli/doctor.h"
#include "world/netem.h"
#include "world/netns.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* meshproof doctor: what this machine, or a cluster, lacks for which feature, with the line to
 * type.
 */

#define FILES_LEAST 8192

static const struct option doctor_options[] = {
#include "cli/cluster_reach.def"
    {"lab", 0, NULL, NULL, "Choose", "walk a small lab on each driver that is here: some seconds",
     NULL, false},
    {"settings", 0, NULL, NULL, "Choose",
     "each option that has a value, and where it came from, alone", NULL, false},
};

void doctor_row(struct doctor *d, bool ok, const char *feature, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%-5s %-22s ", ok ? "ok" : "LACKS", feature);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    d->lacking += !ok;
}

bool doctor_envoy(char *to, size_t size)
{
    char folder[500];
    const char *given = getenv("MESHPROOF_ENVOY");
    if (given != NULL) {
        snprintf(to, size, "%s", given);
        return access(to, X_OK) == 0;
    }
    ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    if (n <= 0)
        return false;
    folder[n] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    snprintf(to, size, "%s/deps/envoy/envoy", folder);
    return access(to, X_OK) == 0;
}

/* A lab in namespaces, and in them the kernel's impairments. */
static void look_at_kernel(struct doctor *d)
{
    static const struct netem_scope peer = {
        .flows = {{.family = AF_INET, .has_peer = true, .peer = {127, 0, 0, 9}}}, .flow_count = 1};
    const struct netem want = {.delay_ns = 1000000};
    struct netns *made = NULL;
    struct error err = {0};
    bool ok = netns_make(&made, &err);
    netns_release(made);
    doctor_row(d, ok, "isolation netns", "%.190s", ok ? "namespaces can be made" : err.text);
    ok = ok && netem_preflight(&want, &peer, NETEM_BOTH, &err);
    doctor_row(d, ok, "fault.netem, partition", "%.190s",
               ok ? "the kernel has netem, for a peer, both ways" : err.text);
}

static void look_at_machine(struct doctor *d)
{
    struct rlimit files = {0};
    char envoy[600];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    doctor_row(d, cores >= 2, "cores", "%ld%s", cores,
               cores >= 2 ? "" : ": timing claims will often be INCONCLUSIVE; --pace sleep");
    getrlimit(RLIMIT_NOFILE, &files);
    bool ok = files.rlim_max >= FILES_LEAST;
    doctor_row(d, ok, "open files", "at most %llu%s", (unsigned long long)files.rlim_max,
               ok ? "" : ": ulimit -Hn 8192, or a smaller --inflight");
    ok = doctor_envoy(envoy, sizeof(envoy));
    doctor_row(d, ok, "driver envoy", "%s",
               ok ? "found" : "Envoy is not here: ./dev setup envoy, or set MESHPROOF_ENVOY");
    ok = access("/proc/thread-self/schedstat", R_OK) == 0;
    doctor_row(d, ok, "stall detection", "%s",
               ok ? "the kernel tells run-queue delays" : "no /proc/thread-self/schedstat");
    look_at_kernel(d);
}

static int run(const struct arguments *args)
{
    struct doctor d = {0};
    struct error err = {0};
    bool ok = true;
    if (arguments_has(args, "settings"))
        doctor_settings(&d, args);
    else if (cluster_asked(args))
        ok = doctor_cluster(&d, args, &err);
    else
        look_at_machine(&d);
    if (ok && arguments_has(args, "lab"))
        ok = doctor_lab(&d, &err);
    if (!ok)
        return command_fail(&err);
    return d.lacking == 0 ? EXIT_PASS : EXIT_SURROUNDINGS;
}

const struct command command_doctor = {
    .name = "doctor",
    .about = "Say what this machine, or a cluster, lacks for which feature, with the line to type.",
    .positions = "",
    .options = doctor_options,
    .option_count = COUNT_OF(doctor_options),
    .exits = "0 nothing lacks  4 something does  64 usage",
    .example = "meshproof doctor --on kubernetes -n payments",
    .run = run,
};
