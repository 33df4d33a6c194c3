#include "world/netlink_msg.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#define WORDS_BYTES 128
#define DUMP_TRIES 8
/* The distribution tables are the largest that we send: 32 KiB. */
#define MESSAGE_MOST_BYTES ((size_t)128 * 1024)

struct netlink {
    struct nl_sock *socket;
    uint64_t inode;
    /* Of the request under way. */
    int sys;
    char words[WORDS_BYTES];
    bool acked, interrupted;
    netlink_on_message *on;
    void *cookie;
};

/* --- The socket --- */

struct birth {
    int netns_fd; /* -1: a new namespace */
    int fd, sys;
    uint64_t inode;
    const char *at; /* what failed */
};

static uint64_t inode_of_ours(void)
{
    struct stat st;
    return stat("/proc/thread-self/ns/net", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* The fd of a socket in the namespace where the calling thread is; it has the only reference. */
static void make_socket(struct birth *b)
{
    b->inode = inode_of_ours();
    b->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (b->fd < 0) {
        b->sys = errno;
        b->at = "making a netlink socket";
    }
}

static void *enter_and_make(void *cookie)
{
    struct birth *b = cookie;
    int done = b->netns_fd < 0 ? unshare(CLONE_NEWNET) : setns(b->netns_fd, CLONE_NEWNET);
    if (done != 0) {
        b->sys = errno;
        b->at = b->netns_fd < 0 ? "making a network namespace" : "entering the network namespace";
        return NULL;
    }
    make_socket(b);
    return NULL;
}

static bool birth_fail(const struct birth *b, struct error *err)
{
    if (b->sys != EPERM)
        return error_system(err, b->sys, "%s", b->at);
    error_set(err, ERROR_SYSTEM, "%s needs CAP_SYS_ADMIN, which this process has not", b->at);
    if (err != NULL)
        err->sys = EPERM;
    return false;
}

static bool adopt(struct birth *b, struct netlink **ret, struct error *err)
{
    int one = 1;
    struct netlink *n = check_alloc_zero(1, sizeof(*n));
    n->inode = b->inode;
    n->socket = nl_socket_alloc();
    INVARIANT(n->socket != NULL);
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    bool ok = bind(b->fd, (struct sockaddr *)&any, sizeof(any)) == 0 &&
              setsockopt(b->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) == 0 &&
              setsockopt(b->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) == 0;
    if (!ok)
        error_system(err, errno, "preparing a netlink socket");
    if (ok && nl_socket_set_fd(n->socket, NETLINK_ROUTE, b->fd) != 0)
        ok = error_set(err, ERROR_SYSTEM, "libnl does not take our netlink socket");
    if (!ok) {
        close(b->fd);
        netlink_close(n);
        return false;
    }
    nl_socket_set_msg_buf_size(n->socket, MESSAGE_MOST_BYTES);
    *ret = n;
    return true;
}

static bool open_by_thread(int netns_fd, struct netlink **ret, struct error *err)
{
    pthread_t thread;
    struct birth b = {.netns_fd = netns_fd, .fd = -1};
    int sys = pthread_create(&thread, NULL, enter_and_make, &b);
    if (sys != 0)
        return error_system(err, sys, "starting a thread");
    INVARIANT(pthread_join(thread, NULL) == 0);
    return b.sys != 0 ? birth_fail(&b, err) : adopt(&b, ret, err);
}

bool netlink_open(int netns_fd, struct netlink **ret, struct error *err)
{
    struct birth b = {.netns_fd = -1, .fd = -1};
    if (netns_fd >= 0)
        return open_by_thread(netns_fd, ret, err);
    make_socket(&b);
    return b.sys != 0 ? birth_fail(&b, err) : adopt(&b, ret, err);
}

bool netlink_open_new(struct netlink **ret, struct error *err)
{
    return open_by_thread(-1, ret, err);
}

void netlink_close(struct netlink *n)
{
    if (n == NULL)
        return;
    nl_socket_free(n->socket);
    free(n);
}

uint64_t netlink_inode(const struct netlink *n)
{
    return n->inode;
}

/* --- Messages --- */

struct nl_msg *netlink_msg(int type, int flags, const void *fixed, size_t size)
{
    struct nl_msg *m = nlmsg_alloc_size(MESSAGE_MOST_BYTES);
    INVARIANT(m != NULL);
    INVARIANT(nlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, NLM_F_REQUEST | flags) != NULL);
    netlink_append(m, fixed, size);
    return m;
}

struct nl_msg *netlink_tc(int type, int flags, unsigned index, uint32_t parent, uint32_t handle,
                          uint32_t info)
{
    struct tcmsg tc = {.tcm_family = AF_UNSPEC,
                       .tcm_ifindex = (int)index,
                       .tcm_parent = parent,
                       .tcm_handle = handle,
                       .tcm_info = info};
    return netlink_msg(type, flags, &tc, sizeof(tc));
}

/* A message that does not fit is our own bug: nothing in it has the size of an input. */
void netlink_put(struct nl_msg *m, int type, const void *at, size_t size)
{
    INVARIANT(nla_put(m, type, (int)size, at) == 0);
}

void netlink_put_text(struct nl_msg *m, int type, const char *text)
{
    netlink_put(m, type, text, strlen(text) + 1);
}

void netlink_put_u8(struct nl_msg *m, int type, uint8_t value)
{
    netlink_put(m, type, &value, sizeof(value));
}

void netlink_put_u16(struct nl_msg *m, int type, uint16_t value)
{
    netlink_put(m, type, &value, sizeof(value));
}

void netlink_put_u32(struct nl_msg *m, int type, uint32_t value)
{
    netlink_put(m, type, &value, sizeof(value));
}

void netlink_put_u64(struct nl_msg *m, int type, uint64_t value)
{
    netlink_put(m, type, &value, sizeof(value));
}

struct nlattr *netlink_nest(struct nl_msg *m, int type)
{
    struct nlattr *nest = nla_nest_start(m, type);
    INVARIANT(nest != NULL);
    return nest;
}

void netlink_nest_end(struct nl_msg *m, struct nlattr *nest)
{
    nla_nest_end(m, nest);
}

void netlink_append(struct nl_msg *m, const void *at, size_t size)
{
    void *copied = nlmsg_reserve(m, size, NLMSG_ALIGNTO);
    INVARIANT(copied != NULL);
    memcpy(copied, at, size);
}

struct bytes netlink_view(const struct nl_msg *m)
{
    const struct nlmsghdr *h = nlmsg_hdr((struct nl_msg *)(uintptr_t)m);
    return (struct bytes){(const uint8_t *)h + NLMSG_HDRLEN, h->nlmsg_len - (size_t)NLMSG_HDRLEN};
}

void netlink_free(struct nl_msg *m)
{
    nlmsg_free(m);
}

/* --- Asking --- */

static int on_refused(struct sockaddr_nl *from, struct nlmsgerr *answer, void *cookie)
{
    struct netlink *n = cookie;
    const uint8_t *head = (const uint8_t *)answer - NLMSG_HDRLEN;
    struct nlmsghdr h;
    (void)from;
    memcpy(&h, head, sizeof(h));
    n->sys = -answer->error;
    n->acked = true;
    netlink_words((struct bytes){head, h.nlmsg_len}, n->words, sizeof(n->words));
    return NL_STOP;
}

static int on_ack(struct nl_msg *m, void *cookie)
{
    struct netlink *n = cookie;
    (void)m;
    n->acked = true;
    return NL_STOP;
}

static int on_interrupted(struct nl_msg *m, void *cookie)
{
    struct netlink *n = cookie;
    (void)m;
    n->interrupted = true;
    return NL_SKIP;
}

static int on_answer(struct nl_msg *m, void *cookie)
{
    struct netlink *n = cookie;
    const struct nlmsghdr *h = nlmsg_hdr(m);
    if (n->on != NULL && h->nlmsg_len >= NLMSG_HDRLEN)
        n->on(
            n->cookie, h->nlmsg_type,
            (struct bytes){(const uint8_t *)h + NLMSG_HDRLEN, h->nlmsg_len - (size_t)NLMSG_HDRLEN});
    return NL_OK;
}

static bool refused(const struct netlink *n, const char *doing, struct error *err)
{
    const char *words = n->words, *open = words[0] == '\0' ? "" : " (";
    if (n->sys == EPERM)
        error_set(err, ERROR_SYSTEM,
                  "%s needs CAP_NET_ADMIN in that network namespace, which this process has not",
                  doing);
    else
        error_set(err, ERROR_SYSTEM, "%s: %s%s%s%s", doing, strerror(n->sys), open, words,
                  words[0] == '\0' ? "" : ")");
    if (err != NULL)
        err->sys = n->sys;
    return false;
}

static bool exchange(struct netlink *n, struct nl_msg *m, const char *doing, struct error *err)
{
    n->sys = 0;
    n->words[0] = '\0';
    n->acked = n->interrupted = false;
    nl_socket_modify_err_cb(n->socket, NL_CB_CUSTOM, on_refused, n);
    nl_socket_modify_cb(n->socket, NL_CB_ACK, NL_CB_CUSTOM, on_ack, n);
    nl_socket_modify_cb(n->socket, NL_CB_FINISH, NL_CB_CUSTOM, on_ack, n);
    nl_socket_modify_cb(n->socket, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, n);
    nl_socket_modify_cb(n->socket, NL_CB_VALID, NL_CB_CUSTOM, on_answer, n);
    int done = nl_send_auto(n->socket, m);
    while (done >= 0 && !n->acked)
        done = nl_recvmsgs_default(n->socket);
    if (n->sys != 0)
        return refused(n, doing, err);
    if (done < 0)
        return error_set(err, ERROR_SYSTEM, "%s: %s", doing, nl_geterror(done));
    return true;
}

bool netlink_ask(struct netlink *n, struct nl_msg *take_msg, const char *doing, struct error *err)
{
    n->on = NULL;
    nlmsg_hdr(take_msg)->nlmsg_flags |= NLM_F_ACK;
    bool ok = exchange(n, take_msg, doing, err);
    nlmsg_free(take_msg);
    return ok;
}

bool netlink_dump(struct netlink *n, struct nl_msg *take_msg, const char *doing,
                  netlink_on_message *on, void (*restart)(void *), void *cookie, struct error *err)
{
    bool ok = true;
    n->on = on;
    n->cookie = cookie;
    nlmsg_hdr(take_msg)->nlmsg_flags |= NLM_F_DUMP;
    for (int tries = 0; ok && tries < DUMP_TRIES; tries++) {
        if (tries > 0 && restart != NULL)
            restart(cookie);
        nlmsg_hdr(take_msg)->nlmsg_seq = NL_AUTO_SEQ;
        ok = exchange(n, take_msg, doing, err);
        if (!n->interrupted)
            break;
    }
    if (ok && n->interrupted)
        ok = error_set(err, ERROR_SYSTEM, "%s: it changed %d times while being read", doing,
                       DUMP_TRIES);
    nlmsg_free(take_msg);
    n->on = NULL;
    return ok;
}
