#include "mesh/child.h"
#include "mesh/envoy_config.h"
#include "mesh/envoy_cut.h"
#include "mesh/envoy_dynamic.h"
#include "mesh/envoy_tls.h"
#include "mesh/run.h"

#include "base/clock.h"
#include "base/text.h"
#include "net/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The driver `envoy`: a real Envoy as a child, one worker, programmed as Istio would. Every edge
 * and the admin listen on ports of the kernel's choice; Envoy tells them. No hot restart, so that
 * nothing is left in shared memory when it is killed. */

#define READY_LOOK_NS (10 * NS_PER_MS)
#define READY_MOST_NS (60 * NS_PER_S)
#define STATS_MOST_BYTES ((size_t)32 * 1024 * 1024)
#define PATH_MOST 512

struct scrape {
    struct envoy *envoy;
    struct scrape *prev, *next;
    void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels, double value);
    void (*on_done)(void *cookie, bool ok);
    void *cookie;
};
struct envoy {
    struct mesh_run run; /* first */
    struct loop *loop;
    struct child child;
    struct http_client *client;
    struct xds *xds; /* NULL: programmed once, by its bootstrap */
    struct envoy_cut cut;
    struct hold look;
    uint64_t give_up_ns;
    char admin_path[PATH_MOST], admin[64];
    char (*addresses)[64];
    size_t edge_count, *endpoint_counts;
    struct scrape *scrapes;
    struct loop_task gone;
    bool is_ready, is_over;
    void (*on_ready)(void *cookie);
    void (*on_died)(void *cookie, const struct error *why);
    void *cookie;
};

/* Path of the program by the order that mesh.h gives; false: it is nowhere. */
static bool envoy_find(const char *given, char *to, size_t size)
{
    const char *own = getenv("MESHPROOF_ENVOY"), *path = getenv("PATH");
    char self[PATH_MOST];
    if (given != NULL || own != NULL) {
        snprintf(to, size, "%s", given != NULL ? given : own);
        return access(to, X_OK) == 0;
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        if ((size_t)snprintf(to, size, "%s/deps/envoy/envoy", self) < size && access(to, X_OK) == 0)
            return true;
    }
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        if ((size_t)snprintf(to, size, "%.*s/envoy", (int)len, path) < size &&
            access(to, X_OK) == 0)
            return true;
        path += len + (path[len] == ':' ? 1 : 0);
    }
    return false;
}

static void died(struct envoy *e, const struct error *why)
{
    struct error told = *why;
    if (e->is_over)
        return;
    e->is_over = true;
    loop_hold_remove(e->loop, &e->look);
    error_prefix(&told, "envoy: ");
    e->on_died(e->cookie, &told);
}

static void on_exit_of_child(void *cookie, const struct error *why)
{
    died(cookie, why);
}

static void get(struct envoy *e, const char *path, size_t most,
                void (*on_end)(void *cookie, struct http_call *c, const struct http_answer *answer),
                void *cookie)
{
    struct text head;
    text_init(&head, 1024);
    text_add(&head, "GET %s HTTP/1.1\r\nhost: admin\r\n\r\n", path);
    (void)http_client_call(e->client,
                           &(struct http_call_config){.address = e->admin,
                                                      .head = {(const uint8_t *)head.at, head.len},
                                                      .verb = VERB_GET,
                                                      .body_most_bytes = most,
                                                      .keep_alive = true,
                                                      .on_end = on_end,
                                                      .cookie = cookie});
    text_release(&head);
}

static void look_again(struct envoy *e);

/* {"listener_statuses":[{"name":"edge_0","local_address":
 * {"socket_address":{"address":"127.0.0.1","port_value":42473}}}]} */
static bool take_addresses(struct envoy *e, struct bytes body)
{
    json_t *root = json_loadb((const char *)body.at, body.len, 0, NULL);
    json_t *list = json_object_get(root, "listener_statuses"), *one;
    size_t i, found = 0;
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *at = json_object_get(json_object_get(one, "local_address"), "socket_address");
        const char *address = json_string_value(json_object_get(at, "address"));
        json_int_t port = json_integer_value(json_object_get(at, "port_value"));
        size_t prefix = strlen(ENVOY_EDGE_PREFIX);
        uint64_t edge;
        if (name == NULL || address == NULL || port == 0 ||
            strncmp(name, ENVOY_EDGE_PREFIX, prefix) != 0 ||
            !bytes_to_u64(bytes_of(name + prefix), &edge) || edge >= e->edge_count)
            continue;
        bool v6 = strchr(address, ':') != NULL;
        snprintf(e->addresses[edge], sizeof(e->addresses[edge]), v6 ? "[%s]:%d" : "%s:%d", address,
                 (int)port);
        found++;
    }
    json_decref(root);
    return found == e->edge_count;
}

static void on_listeners(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct envoy *e = cookie;
    (void)call;
    if (e->is_over)
        return;
    if (answer->status != 200 || answer->end != HTTP_END_COMPLETE ||
        !take_addresses(e, answer->body)) {
        look_again(e);
        return;
    }
    e->is_ready = true;
    e->on_ready(e->cookie);
}

static void on_ready_answer(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct envoy *e = cookie;
    (void)call;
    if (e->is_over)
        return;
    if (answer->status == 200)
        get(e, "/listeners?format=json", STATS_MOST_BYTES, on_listeners, e);
    else
        look_again(e);
}

/* Envoy writes the admin's address when it listens there. */
static bool admin_known(struct envoy *e)
{
    int fd = open(e->admin_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, e->admin, sizeof(e->admin) - 1);
    close(fd);
    e->admin[n > 0 ? n : 0] = '\0';
    e->admin[strcspn(e->admin, "\r\n")] = '\0';
    return strchr(e->admin, ':') != NULL;
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct envoy *e = (struct envoy *)(void *)((char *)h - offsetof(struct envoy, look));
    if (now_ns >= e->give_up_ns) {
        struct error why = {0};
        error_set(&why, ERROR_PEER, "it was not ready within 60 s");
        died(e, &why);
    } else if (admin_known(e)) {
        get(e, "/ready", 4096, on_ready_answer, e);
    } else {
        look_again(e);
    }
}

static void look_again(struct envoy *e)
{
    loop_hold_add(e->loop, &e->look, loop_now_ns(e->loop) + READY_LOOK_NS, on_look);
}

static void on_gone(struct loop_task *t)
{
    free((char *)t - offsetof(struct envoy, gone));
}

static void envoy_close(struct mesh_run *m)
{
    struct envoy *e = (struct envoy *)(void *)m;
    if (e == NULL)
        return;
    e->is_over = true;
    loop_hold_remove(e->loop, &e->look);
    envoy_cut_stop(&e->cut);
    http_client_free(e->client);
    child_end(&e->child);
    xds_free(e->xds);
    for (struct scrape *s = e->scrapes, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    free(e->addresses);
    free(e->endpoint_counts);
    e->gone.run = on_gone; /* the loop may still hold the child's watch in this turn */
    loop_defer(e->loop, &e->gone);
}

static bool make_dynamic(struct envoy *e, const struct mesh_config *config, json_t *root,
                         struct error *err)
{
    if (!xds_open(e->loop, &e->xds, err) || !envoy_dynamic_split(root, e->xds, err))
        return false;
    if (config->certs != NULL)
        xds_put(e->xds, XDS_SECRETS, envoy_dynamic_secrets(config->certs));
    e->cut = (struct envoy_cut){.loop = e->loop,
                                .client = e->client,
                                .admin = e->admin,
                                .xds = e->xds,
                                .has_secrets = config->certs != NULL};
    return true;
}

static bool write_config(struct envoy *e, const struct mesh_config *config, const char *path,
                         struct error *err)
{
    json_t *root;
    if (!envoy_config_make(config, &root, err))
        return false;
    if (config->control_plane && !make_dynamic(e, config, root, err)) {
        json_decref(root);
        return false;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && json_dumpfd(root, fd, JSON_INDENT(1)) == 0;
    int sys = errno;
    if (fd >= 0)
        close(fd);
    json_decref(root);
    return done || error_system(err, sys, "writing %s", path);
}

static bool start(struct envoy *e, const struct mesh_config *config, struct error *err)
{
    char program[PATH_MOST], config_path[PATH_MOST], log_path[PATH_MOST];
    if (!envoy_find(config->envoy, program, sizeof(program)))
        return error_set(err, ERROR_SYSTEM, "envoy is not here: run ./dev setup envoy");
    int len = snprintf(config_path, sizeof(config_path), "%s/envoy.json", config->folder);
    snprintf(log_path, sizeof(log_path), "%s/envoy.log", config->folder);
    snprintf(e->admin_path, sizeof(e->admin_path), "%s/envoy.admin", config->folder);
    if (len < 0 || (size_t)len + 8 > sizeof(config_path))
        return error_set(err, ERROR_LIMIT, "the folder's path is longer than the %d bytes allowed",
                         PATH_MOST);
    (void)unlink(e->admin_path); /* of an Envoy before */
    bool files = config->certs != NULL && !config->control_plane;
    if (!write_config(e, config, config_path, err) ||
        (files && !envoy_tls_write(config->folder, config->certs, err)))
        return false;
    const char *const argv[] = {program,
                                "-c",
                                config_path,
                                "--concurrency",
                                "1",
                                "--disable-hot-restart",
                                "--admin-address-path",
                                e->admin_path,
                                "--log-level",
                                "warning",
                                NULL};
    return child_start(&e->child, e->loop,
                       &(const struct child_program){.argv = argv, .log = log_path},
                       on_exit_of_child, e, err);
}

static bool envoy_open(struct loop *loop, const struct mesh_config *config,
                       void (*on_ready)(void *cookie),
                       void (*on_died)(void *cookie, const struct error *why), void *cookie,
                       struct mesh_run **ret, struct error *err)
{
    if (config->defect_count > 0)
        return error_set(err, ERROR_USAGE, "defects are the builtin mesh's; a real envoy has none");
    struct envoy *e = check_alloc_zero(1, sizeof(*e));
    e->run.driver = &mesh_driver_envoy;
    e->loop = loop;
    e->on_ready = on_ready;
    e->on_died = on_died;
    e->cookie = cookie;
    e->edge_count = config->edge_count;
    e->addresses = check_alloc_zero(config->edge_count + 1, sizeof(*e->addresses));
    e->endpoint_counts = check_alloc_zero(config->edge_count + 1, sizeof(*e->endpoint_counts));
    for (size_t i = 0; i < config->edge_count; i++)
        e->endpoint_counts[i] = config->edges[i].endpoint_count;
    e->give_up_ns = loop_now_ns(loop) + READY_MOST_NS;
    if (!http_client_new(loop, 4, &e->client, err) || !start(e, config, err)) {
        envoy_close(&e->run);
        return false;
    }
    look_again(e);
    *ret = &e->run;
    return true;
}

static const char *envoy_address(const struct mesh_run *m, size_t edge)
{
    const struct envoy *e = (const struct envoy *)(const void *)m;
    INVARIANT(edge < e->edge_count && e->is_ready);
    return e->addresses[edge];
}

/* Of the proxy as a whole: how many workers it has, and how it fares with its control plane. */
static bool is_of_all(const char *name)
{
    return strcmp(name, "server.concurrency") == 0 ||
           strncmp(name, "cluster_manager.cds.", 20) == 0 ||
           strncmp(name, "listener_manager.lds.", 21) == 0 || strncmp(name, "sds.", 4) == 0;
}

/* "cluster.edge_0.upstream_rq_retry" */
static void take_stat(struct scrape *s, const char *name, double value)
{
    static const char prefix[] = "cluster." ENVOY_EDGE_PREFIX;
    if (is_of_all(name)) {
        for (size_t i = 0; i < s->envoy->edge_count; i++)
            s->on_value(s->cookie, i, name, "", value);
        return;
    }
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return;
    const char *number = name + sizeof(prefix) - 1, *dot = strchr(number, '.');
    uint64_t edge;
    if (dot != NULL &&
        bytes_to_u64((struct bytes){(const uint8_t *)number, (size_t)(dot - number)}, &edge) &&
        edge < s->envoy->edge_count)
        s->on_value(s->cookie, (size_t)edge, dot + 1, "", value);
}

static void on_stats(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct scrape *s = cookie;
    (void)call;
    json_t *root = NULL, *one;
    size_t i;
    if (answer->status == 200 && answer->end == HTTP_END_COMPLETE)
        root = json_loadb((const char *)answer->body.at, answer->body.len, JSON_DECODE_INT_AS_REAL,
                          NULL);
    /* As reals: a gauge may be 2^64-1, which jansson refuses as an integer. */
    bool ok = json_is_array(json_object_get(root, "stats"));
    json_array_foreach(json_object_get(root, "stats"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *value = json_object_get(one, "value");
        if (name != NULL && json_is_number(value))
            take_stat(s, name, json_number_value(value));
    }
    json_decref(root);
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        s->envoy->scrapes = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    void (*on_done)(void *, bool) = s->on_done;
    void *owner = s->cookie;
    free(s);
    on_done(owner, ok);
}

static void envoy_scrape(struct mesh_run *m,
                         void (*on_value)(void *cookie, size_t edge, const char *name,
                                          const char *labels, double value),
                         void (*on_done)(void *cookie, bool ok), void *cookie)
{
    struct envoy *e = (struct envoy *)(void *)m;
    if (e->is_over || !e->is_ready) {
        on_done(cookie, false);
        return;
    }
    struct scrape *s = check_alloc_zero(1, sizeof(*s));
    *s = (struct scrape){.envoy = e, .on_value = on_value, .on_done = on_done, .cookie = cookie};
    s->next = e->scrapes;
    if (s->next != NULL)
        s->next->prev = s;
    e->scrapes = s;
    get(e,
        e->xds == NULL
            ? "/stats?format=json&filter=%5E%28cluster%5C.edge_%7Cserver%5C.concurrency%29"
            : "/stats?format=json&filter=%5E%28cluster%5C.edge_%7Cserver%5C.concurrency%7C"
              "cluster_manager%5C.cds%5C.update_%28attempt%7Cfailure%7Csuccess%29%7C"
              "listener_manager%5C.lds%5C.update_%28attempt%7Cfailure%7Csuccess%29%7C"
              "sds%5C..*%5C.update_%28attempt%7Cfailure%7Csuccess%29%29",
        STATS_MOST_BYTES, on_stats, s);
}

static void envoy_cut_off(struct mesh_run *m, unsigned mask,
                          void (*on_seen)(void *cookie, bool seen), void *cookie)
{
    struct envoy *e = (struct envoy *)(void *)m;
    INVARIANT(e->xds != NULL && e->is_ready);
    envoy_cut_begin(&e->cut, mask, on_seen, cookie);
}

static bool envoy_endpoints(struct mesh_run *m, size_t edge, const char *const *addresses,
                            struct error *err)
{
    struct envoy *e = (struct envoy *)(void *)m;
    json_t *assignment;
    char name[32];
    INVARIANT(e->xds != NULL && edge < e->edge_count);
    snprintf(name, sizeof(name), ENVOY_EDGE_PREFIX "%zu", edge);
    if (!envoy_dynamic_endpoints(name, addresses, e->endpoint_counts[edge], &assignment, err))
        return false;
    xds_replace(e->xds, XDS_ENDPOINTS, name, assignment);
    return true;
}

static void envoy_identity(struct mesh_run *m, const char *folder)
{
    struct envoy *e = (struct envoy *)(void *)m;
    INVARIANT(e->xds != NULL);
    xds_put(e->xds, XDS_SECRETS, envoy_dynamic_secrets(folder));
}

const struct mesh_driver mesh_driver_envoy = {
    .name = "envoy",
    .help = "a real Envoy, programmed as Istio would",
    .open = envoy_open,
    .address = envoy_address,
    .scrape = envoy_scrape,
    .close = envoy_close,
    .cut = envoy_cut_off,
    .endpoints = envoy_endpoints,
    .identity = envoy_identity,
};
