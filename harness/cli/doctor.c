#include "cli/arguments.h"
#include "world/netem.h"
#include "world/netns.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* meshproof doctor: what this machine lacks for which feature, with the line to type. */

struct finding_row {
    bool ok;
    const char *feature;
    char text[200];
};

static void print_row(const struct finding_row *row, size_t *lacking)
{
    printf("%-5s %-22s %s\n", row->ok ? "ok" : "LACKS", row->feature, row->text);
    *lacking += !row->ok;
}

static bool find_envoy(char *to, size_t size)
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
static void look_at_kernel(size_t *lacking)
{
    static const struct netem_scope peer = {
        .flows = {{.family = AF_INET, .has_peer = true, .peer = {127, 0, 0, 9}}}, .flow_count = 1};
    const struct netem want = {.delay_ns = 1000000};
    struct netns *made = NULL;
    struct error err = {0};
    struct finding_row row = {.ok = netns_make(&made, &err), .feature = "isolation netns"};
    netns_release(made);
    snprintf(row.text, sizeof(row.text), "%.190s", row.ok ? "namespaces can be made" : err.text);
    print_row(&row, lacking);

    row.feature = "fault.netem, partition";
    if (row.ok) {
        row.ok = netem_preflight(&want, &peer, NETEM_BOTH, &err);
        snprintf(row.text, sizeof(row.text), "%.190s",
                 row.ok ? "the kernel has netem, for a peer, both ways" : err.text);
    }
    print_row(&row, lacking);
}

static int run(const struct arguments *args)
{
    size_t lacking = 0;
    struct rlimit files = {0};
    char envoy[600];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    (void)args;
    struct finding_row row = {.ok = cores >= 2, .feature = "cores"};
    snprintf(row.text, sizeof(row.text), "%ld%s", cores,
             cores >= 2 ? "" : ": timing claims will often be INCONCLUSIVE; --pace sleep");
    print_row(&row, &lacking);

    getrlimit(RLIMIT_NOFILE, &files);
    row = (struct finding_row){.ok = files.rlim_max >= 8192, .feature = "open files"};
    snprintf(row.text, sizeof(row.text), "at most %llu%s", (unsigned long long)files.rlim_max,
             row.ok ? "" : ": ulimit -Hn 8192, or a smaller --inflight");
    print_row(&row, &lacking);

    row = (struct finding_row){.ok = find_envoy(envoy, sizeof(envoy)), .feature = "driver envoy"};
    snprintf(row.text, sizeof(row.text), "%s",
             row.ok ? "found" : "Envoy is not here: ./dev setup envoy, or set MESHPROOF_ENVOY");
    print_row(&row, &lacking);

    row = (struct finding_row){.ok = access("/proc/thread-self/schedstat", R_OK) == 0,
                               .feature = "stall detection"};
    snprintf(row.text, sizeof(row.text), "%s",
             row.ok ? "the kernel tells run-queue delays" : "no /proc/thread-self/schedstat");
    print_row(&row, &lacking);
    look_at_kernel(&lacking);
    return lacking == 0 ? EXIT_PASS : EXIT_SURROUNDINGS;
}

const struct command command_doctor = {
    .name = "doctor",
    .about = "Say what this machine lacks for which feature, with the line to type.",
    .positions = "",
    .exits = "0 nothing lacks  4 something does",
    .example = "meshproof doctor",
    .run = run,
};
