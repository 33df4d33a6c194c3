#include "engine/program.h"

#include "base/clock.h"
#include "base/words.h"
#include "mesh/child.h"
#include "net/socket.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_NS (20 * NS_PER_MS)
#define WITHIN_NS (60 * NS_PER_S)

struct program {
    struct loop *loop;
    struct program_config config;
    struct socket_address at;
    char address[64];
    int port_fd; /* keeps the port until it runs; -1: given up */
    struct child child;
    struct hold look;
    struct watch dial; /* asks whether it accepts */
    bool dials;
    uint64_t give_up_ns;
};

void program_call_name(const char *service, char *to, size_t size)
{
    snprintf(to, size, "CALL_%s", service);
    for (char *c = to; *c != '\0'; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
}

/* ---- does it accept ---- */

static void stop_dial(struct program *p)
{
    if (!p->dials)
        return;
    p->dials = false;
    loop_watch_remove(&p->dial);
    close(p->dial.fd);
}

static void fail(struct program *p, const struct error *why)
{
    stop_dial(p);
    loop_hold_remove(p->loop, &p->look);
    p->config.on_end(p->config.cookie, why);
}

static void on_look(struct hold *h, uint64_t now_ns);

static void look_again(struct program *p)
{
    struct error why = {0};
    uint64_t now_ns = loop_now_ns(p->loop);
    if (now_ns < p->give_up_ns) {
        loop_hold_add(p->loop, &p->look, now_ns + LOOK_NS, on_look);
        return;
    }
    error_set(&why, ERROR_PEER,
              "it did not accept a connection at %s within %llu s (its port is $PORT)", p->address,
              (unsigned long long)((p->config.within_ns == 0 ? WITHIN_NS : p->config.within_ns) /
                                   NS_PER_S));
    fail(p, &why);
}

/* Nobody listens, and the kernel gave the socket the very port that it was to reach. */
static bool is_itself(const struct program *p, int fd)
{
    struct socket_address own;
    return socket_own_address(fd, &own, NULL) && own.len == p->at.len &&
           memcmp(&own.storage, &p->at.storage, own.len) == 0;
}

static void on_dial(struct watch *w, unsigned what)
{
    struct program *p = (struct program *)(void *)((char *)w - offsetof(struct program, dial));
    if (!p->dials || (what & (WATCH_WRITE | WATCH_CLOSED)) == 0)
        return;
    bool up = socket_error(p->loop, w->fd) == 0 && !is_itself(p, w->fd);
    stop_dial(p);
    if (!up) {
        look_again(p);
        return;
    }
    p->config.on_up(p->config.cookie);
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct program *p = (struct program *)(void *)((char *)h - offsetof(struct program, look));
    int fd;
    (void)now_ns;
    if (!socket_dial(&p->at, &fd, NULL)) {
        look_again(p);
        return;
    }
    if (!loop_watch_add(p->loop, &p->dial, fd, on_dial, NULL)) {
        close(fd);
        look_again(p);
        return;
    }
    p->dials = true;
}

/* ---- its life ---- */

bool program_open(struct loop *loop, const struct program_config *config, struct program **ret,
                  struct error *err)
{
    struct program *p = check_alloc_zero(1, sizeof(*p));
    p->loop = loop;
    p->config = *config;
    p->port_fd = -1;
    if (!socket_reserve(config->listen, &p->port_fd, err) ||
        !socket_own_address(p->port_fd, &p->at, err)) {
        program_stop(p);
        free(p);
        return false;
    }
    socket_print(&p->at, p->address, sizeof(p->address));
    *ret = p;
    return true;
}

const char *program_address(const struct program *p)
{
    return p->address;
}

static void on_exit_of_child(void *cookie, const struct error *why)
{
    fail(cookie, why);
}

bool program_start(struct program *p, struct error *err)
{
    char **words;
    const char *port = strrchr(p->address, ':') + 1;
    uint64_t within_ns = p->config.within_ns == 0 ? WITHIN_NS : p->config.within_ns;
    if (setenv("PORT", port, 1) != 0)
        return error_system(err, errno, "setting PORT");
    if (!words_split(p->config.command, &words, err))
        return false;
    /* Not every program asks for SO_REUSEADDR, and without it no port that is kept can be had. */
    close(p->port_fd);
    p->port_fd = -1;
    const struct child_program program = {
        .argv = (const char *const *)words, .folder = p->config.folder, .log = p->config.log};
    bool ok = child_start(&p->child, p->loop, &program, on_exit_of_child, p, err);
    words_free(words);
    if (!ok)
        return false;
    p->give_up_ns = loop_now_ns(p->loop) + within_ns;
    loop_hold_add(p->loop, &p->look, loop_now_ns(p->loop) + LOOK_NS, on_look);
    return true;
}

void program_stop(struct program *p)
{
    stop_dial(p);
    loop_hold_remove(p->loop, &p->look);
    if (p->port_fd >= 0)
        close(p->port_fd);
    p->port_fd = -1;
    child_end(&p->child);
}

void program_free(struct program *p)
{
    program_stop(p);
    loop_settle(p->loop);
    free(p);
}
