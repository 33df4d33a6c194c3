#include "standalone/proxy_worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MOST_BYTES ((size_t)64 * 1024 * 1024)
#define ORPHAN_DRAIN_NS (2 * NS_PER_S)

struct own {
    struct watch watch; /* first */
    struct proxy_host host;
    unsigned number;
    bool draining;
};

static bool send_all(int fd, const void *from, size_t len)
{
    const uint8_t *at = from;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool receive_all(int fd, void *to, size_t len)
{
    uint8_t *at = to;
    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool worker_send(int fd, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    uint32_t len = (uint32_t)strlen(text);
    bool ok =
        len <= MESSAGE_MOST_BYTES && send_all(fd, &len, sizeof(len)) && send_all(fd, text, len);
    free(text);
    return ok;
}

json_t *worker_receive(int fd)
{
    uint32_t len;
    if (!receive_all(fd, &len, sizeof(len)) || len > MESSAGE_MOST_BYTES)
        return NULL;
    char *text = check_alloc((size_t)len + 1);
    json_t *message = receive_all(fd, text, len) ? json_loadb(text, len, 0, NULL) : NULL;
    free(text);
    return message;
}

static void on_drained(void *cookie)
{
    struct own *o = cookie;
    loop_stop(o->host.loop);
}

static void drain(struct own *o, uint64_t within_ns)
{
    if (o->draining)
        return;
    o->draining = true;
    proxy_set_drain(o->host.set, within_ns, on_drained, o);
}

static json_t *obey(struct own *o, const json_t *order)
{
    const json_t *list = json_object_get(order, "replace");
    const char *name = json_string_value(json_object_get(order, "remove"));
    const char *missing = json_string_value(json_object_get(order, "missing"));
    struct error err = {0};
    bool ok = true;
    if (json_object_get(order, "stats") != NULL)
        return json_pack("{so}", "stats", proxy_set_stats(o->host.set));
    if (list != NULL)
        ok = proxy_set_replace(o->host.set, list, missing != NULL && strcmp(missing, "remove") == 0,
                               &err);
    else if (name != NULL)
        ok = proxy_set_remove(o->host.set, name, &err);
    return ok ? json_object() : json_pack("{ss}", "error", err.text);
}

static void on_order(struct watch *w, unsigned what)
{
    struct own *o = (struct own *)(void *)w;
    json_t *order = worker_receive(w->fd), *answer = NULL;
    (void)what;
    if (order == NULL) { /* the parent is gone */
        loop_watch_remove(w);
        drain(o, ORPHAN_DRAIN_NS);
        return;
    }
    const json_t *within = json_object_get(order, "drain");
    if (within != NULL)
        drain(o, (uint64_t)json_integer_value(within));
    else
        answer = obey(o, order);
    if (answer != NULL && !worker_send(w->fd, answer)) {
        loop_watch_remove(w);
        drain(o, ORPHAN_DRAIN_NS);
    }
    json_decref(answer);
    json_decref(order);
}

void worker_main(unsigned number, int fd, const struct proxy_host_config *config)
{
    struct own *o = check_alloc_zero(1, sizeof(*o));
    struct error err = {0};
    signal(SIGINT, SIG_IGN); /* all of them come through the parent */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    o->number = number;
    bool ok = proxy_host_open(&o->host, config, &err) &&
              loop_watch_add_level(o->host.loop, &o->watch, fd, on_order, &err) &&
              loop_run(o->host.loop, &err);
    if (o->host.loop != NULL)
        loop_watch_remove(&o->watch);
    ok = proxy_host_close(&o->host, &err) && ok;
    if (!ok)
        log_error("proxy", "worker %u: %s", number, err.text);
    free(o);
    _exit(ok ? 0 : 1);
}
