#include "cli/netem_spec.h"

#include "cli/arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pkt_sched.h>
#include <stdlib.h>
#include <unistd.h>

/* meshproof netem: kernel impairment of a device by hand. What it adds stays until it is cleared.
 */

#define PEERS_MOST 64

static const char *const protocols[] = {"tcp", "udp", "any", NULL};
static const struct option netem_options[] = {
    {"netns", 0, "PATH", NULL, "Common",
     "in the network namespace of that file: /proc/PID/ns/net, /run/netns/NAME", NULL, false},
    {"peer", 0, "ADDRESS", NULL, "add",
     "only packets of that peer: 10.0.0.2, 10.0.0.2:80, [fd00::2]:80, :80", NULL, true},
    {"local", 0, "ADDRESS", NULL, "add", "only packets of that end on our side", NULL, true},
    {"protocol", 0, "WORD", NULL, "add", "of the flows (tcp where there is a port, else any)",
     protocols, false},
    {"json", 0, NULL, NULL, "Results", "show: as JSON", NULL, false},
};

static bool open_there(const struct arguments *args, struct netlink **ret, struct error *err)
{
    const char *path = arguments_get(args, "netns");
    if (path == NULL)
        return netlink_open(-1, ret, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(err, errno, "there is no network namespace at %.120s", path);
    bool ok = netlink_open(fd, ret, err);
    close(fd);
    if (!ok && err->sys == EINVAL) {
        *err = (struct error){0};
        error_set(err, ERROR_SYSTEM, "%.150s is no network namespace", path);
    }
    return ok;
}

static const char *counted(size_t flows, bool scoped, char *to, size_t size)
{
    if (scoped)
        snprintf(to, size, ", %zu flow%s", flows, flows == 1 ? "" : "s");
    else
        snprintf(to, size, ", all packets");
    return to;
}

/* --- show --- */

/* A filter that takes everything is one, too; only its way tells it from one flow's. */
static void print_half(const char *way, const struct netem_half *h, bool ours)
{
    char spec[300], flows[32];
    if (ours && h->has_netem)
        printf("%-8s ours: %s%s; %llu packets, %llu lost, %u held\n", way,
               netem_print(&h->netem, spec, sizeof(spec)),
               h->scoped ? counted(h->flows, true, flows, sizeof(flows)) : "",
               (unsigned long long)h->counts.packets, (unsigned long long)h->counts.drops,
               h->counts.queued);
    else if (h->kind[0] == '\0')
        printf("%-8s nothing\n", way);
    else if (h->handle == 0)
        printf("%-8s %s, the kernel's own\n", way, h->kind);
    else
        printf("%-8s %s %x:, not ours\n", way, h->kind, TC_H_MAJ(h->handle) >> 16);
}

static json_t *half_json(const struct netem_half *h)
{
    char spec[300], handle[16];
    snprintf(handle, sizeof(handle), "%x:", TC_H_MAJ(h->handle) >> 16);
    json_t *o = json_pack("{s:s, s:s, s:b}", "qdisc", h->kind, "handle", handle, "ours", h->ours);
    if (h->ours && h->has_netem)
        json_object_update_new(
            o, json_pack("{s:s, s:i, s:b, s:I, s:I, s:I, s:I}", "netem",
                         netem_print(&h->netem, spec, sizeof(spec)), "flows", (int)h->flows,
                         "replayable", h->seeded, "packets", (json_int_t)h->counts.packets, "bytes",
                         (json_int_t)h->counts.bytes, "lost", (json_int_t)h->counts.drops, "held",
                         (json_int_t)h->counts.queued));
    return o;
}

static bool show(struct netlink *n, const char *device, bool as_json, struct error *err)
{
    struct netem_seen seen;
    if (!netem_look(n, device, &seen, err))
        return false;
    if (as_json) {
        json_t *o = json_pack("{s:s, s:o, s:o}", "device", device, "to", half_json(&seen.to),
                              "from", half_json(&seen.from));
        json_dumpf(o, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(o);
        return true;
    }
    print_half("leaving", &seen.to, seen.to.ours);
    print_half("arriving", &seen.from, seen.has_ifb);
    return true;
}

/* --- add --- */

static void print_added(const char *way, const struct netem_half *h, const char *before,
                        bool scoped)
{
    char spec[300], flows[32];
    printf("%-8s %s%s", way, netem_print(&h->netem, spec, sizeof(spec)),
           counted(h->flows, scoped, flows, sizeof(flows)));
    if (before[0] != '\0')
        printf("; %s comes back when it is cleared", before);
    printf("\n");
}

static bool add(struct netlink *n, const char *device, const struct fault_netem *asked,
                const struct netem_scope *scope, struct error *err)
{
    struct netem_seen before, after;
    if (!netem_look(n, device, &before, err) ||
        !netem_apply(n, device, &asked->netem, scope, asked->direction, err) ||
        !netem_look(n, device, &after, err))
        return false;
    if (asked->direction != NETEM_FROM)
        print_added("leaving", &after.to, before.to.kind, !scope->device);
    if (asked->direction != NETEM_TO)
        print_added("arriving", &after.from, "", !scope->device);
    if (asked->netem.has_seed && !after.to.seeded && !after.from.seeded)
        printf("seed     this kernel's netem takes none: not replayable\n");
    return true;
}

/* --- clear --- */

static bool clear(struct netlink *n, const char *device, struct error *err)
{
    enum netem_cleared cleared;
    if (!netem_clear(n, device, &cleared, err))
        return false;
    switch (cleared) {
    case NETEM_CLEARED:
        printf("%s: netem taken away, and read back so\n", device);
        break;
    case NETEM_WAS_CLEAR:
        printf("%s: there was no netem of ours\n", device);
        break;
    case NETEM_FOREIGN:
        printf("%s: nothing of ours is left; a qdisc that is not ours was left alone\n", device);
        break;
    }
    return true;
}

/* --- The command --- */

static bool check_line(const struct arguments *args, const char *verb, struct error *err)
{
    bool is_add = strcmp(verb, "add") == 0;
    if (!is_add && strcmp(verb, "show") != 0 && strcmp(verb, "clear") != 0)
        return error_set(err, ERROR_USAGE,
                         "netem needs show, add or clear, and a device: meshproof netem show eth0");
    if (args->position_count < 2 || (!is_add && args->position_count > 2))
        return error_set(err, ERROR_USAGE, "netem %s takes one device%s", verb,
                         is_add ? ", then what: 'delay=40ms loss=3%'" : "");
    for (size_t i = 0; i < args->given_count && !is_add; i++) {
        if (strcmp(args->given[i].option->group, "add") == 0)
            return error_set(err, ERROR_USAGE, "netem %s takes no --%s; netem add does", verb,
                             args->given[i].option->name);
    }
    return strlen(args->positions[1]) < NETLINK_NAME_BYTES ||
           error_set(err, ERROR_USAGE, "%.60s is no device: its name is longer than %d bytes",
                     args->positions[1], NETLINK_NAME_BYTES - 1);
}

static bool read_scope(const struct arguments *args, struct netem_scope *ret, struct error *err)
{
    const char *peers[PEERS_MOST] = {NULL}, *locals[PEERS_MOST] = {NULL};
    size_t peer_count = arguments_all(args, "peer", peers, PEERS_MOST),
           local_count = arguments_all(args, "local", locals, PEERS_MOST);
    if (peer_count > PEERS_MOST || local_count > PEERS_MOST)
        return error_set(err, ERROR_USAGE, "more than the %d --peer or --local allowed",
                         PEERS_MOST);
    return netem_spec_scope(peers, peer_count, locals, local_count, arguments_get(args, "protocol"),
                            ret, err);
}

static bool obey(const struct arguments *args, struct arena *arena, struct error *err)
{
    struct netlink *n;
    struct fault_netem asked;
    struct netem_scope scope;
    const char *verb = args->position_count > 0 ? args->positions[0] : "", *device;
    bool is_add = strcmp(verb, "add") == 0, ok;
    if (!check_line(args, verb, err))
        return false;
    device = args->positions[1];
    if (is_add &&
        (!netem_spec_parse(args->positions + 2, args->position_count - 2, arena, &asked, err) ||
         !read_scope(args, &scope, err)))
        return false;
    if (!open_there(args, &n, err))
        return false;
    if (is_add)
        ok = add(n, device, &asked, &scope, err);
    else if (strcmp(verb, "show") == 0)
        ok = show(n, device, arguments_has(args, "json"), err);
    else
        ok = clear(n, device, err);
    netlink_close(n);
    return ok;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct arena arena;
    arena_init(&arena, (size_t)1 << 20);
    bool ok = obey(args, &arena, &err);
    arena_release(&arena);
    return ok ? EXIT_PASS : command_fail(&err);
}

static void notes(struct text *to)
{
    text_add(to, "What add takes, each as key=value (maps as gemodel=p:1%%,r:20%%):\n");
    for (size_t i = 0; i < fault_netem.param_count; i++) {
        const struct param *p = &fault_netem.params[i];
        if (strcmp(p->name, "scope") == 0)
            continue;
        text_add(to, "  %-13s %s", p->name, p->help);
        for (size_t k = 0; p->words != NULL && p->words[k] != NULL; k++)
            text_add(to, "%s%s", k == 0 ? ": " : ", ", p->words[k]);
        text_add(to, "\n");
    }
    text_add(to,
             "A packet is one as the device has it: up to 64 KiB where segmentation is offloaded "
             "(ethtool -K DEV tso off gso off).\nAll packets of a device are ARP's and ND's "
             "too. Jitter reorders packets, but where a rate keeps them in line.\n");
}

const struct command command_netem = {
    .name = "netem",
    .about = "Impair a device's packets in the kernel (needs NET_ADMIN), until it is cleared.",
    .positions = "show|add|clear DEV [KEY=VALUE...]",
    .options = netem_options,
    .option_count = COUNT_OF(netem_options),
    .exits = "0 done  4 no such device or namespace, no privilege, a module lacks, a qdisc that is "
             "not ours, or ours already  64 usage",
    .example = "meshproof netem add eth0 'delay=40ms loss=3%' --peer 10.0.0.2:80",
    .run = run,
    .notes = notes,
};
