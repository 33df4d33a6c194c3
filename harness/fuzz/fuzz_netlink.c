/* layer: world */

/* Any bytes as an answer of the kernel's: the attributes lie within them, the words are printable,
 * and what reads as a netem is sent and read again as the same. */

#include "world/netem_codec.h"

#include <linux/pkt_sched.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct bytes in, int depth)
{
    struct netlink_attr a;
    struct bytes rest = in;
    while (netlink_next(&rest, &a)) {
        INVARIANT(a.value.at >= in.at && a.value.at + a.value.len <= in.at + in.len);
        if (depth < 4)
            walk(a.value, depth + 1);
    }
}

static void once_more(const struct netem *n)
{
    struct nl_msg *m = netlink_tc(RTM_NEWQDISC, 0, 1, TC_H_ROOT, NETEM_HANDLE, 0);
    struct bytes options;
    struct netem back;
    bool seeded;
    netem_encode(m, n);
    INVARIANT(
        netlink_find(netlink_behind(netlink_view(m), sizeof(struct tcmsg)), TCA_OPTIONS, &options));
    INVARIANT(netem_decode(options, &back, &seeded));
    INVARIANT(netem_differs(n, &back, seeded) == NULL);
    netlink_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = {data, size};
    struct netem n;
    bool seeded;
    char words[64], shown[300];
    walk(all, 0);
    netlink_words(all, words, sizeof(words));
    for (const char *c = words; *c != '\0'; c++)
        INVARIANT(*c >= ' ' && *c <= '~');
    if (!netem_decode(all, &n, &seeded))
        return 0;
    netem_print(&n, shown, sizeof(shown));
    once_more(&n);
    return 0;
}
