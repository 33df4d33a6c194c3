#include "cli/proxy_serve.h"

#include "base/log.h"
#include "cli/proxy_file.h"
#include "lua/hook_engine.h"
#include "standalone/admin_server.h"
#include "standalone/proxy_fleet.h"
#include "standalone/toxi_server.h"

#include <limits.h>
#include <signal.h>

struct serving {
    const struct proxy_serve *config;
    struct proxy_scribe *scribe;
    struct proxy_fleet *fleet;
    struct proxy_host host;
    struct admin_server *admin;
    struct toxi_server *toxi;
    bool draining, set_drained, fleet_drained;
    int code;
};

static void stop_if_drained(struct serving *s)
{
    if (s->set_drained && (s->fleet == NULL || s->fleet_drained))
        loop_stop(s->host.loop);
}

static void on_set_drained(void *cookie)
{
    struct serving *s = cookie;
    s->set_drained = true;
    stop_if_drained(s);
}

static void on_fleet_end(void *cookie, const struct error *why)
{
    struct serving *s = cookie;
    s->fleet_drained = true;
    if (why == NULL) {
        stop_if_drained(s);
        return;
    }
    s->code = command_fail(why);
    loop_stop(s->host.loop);
}

/* The first signal drains, a second one cuts. */
static void on_end(int signo, void *cookie)
{
    struct serving *s = cookie;
    (void)signo;
    if (s->draining) {
        loop_stop(s->host.loop);
        return;
    }
    s->draining = true;
    if (s->fleet != NULL)
        proxy_fleet_drain(s->fleet, s->config->drain_ns);
    proxy_set_drain(s->host.set, s->config->drain_ns, on_set_drained, s);
}

/* What the command line gives, and what the file does. */
static bool read_all(const struct serving *s, json_t **ret, struct error *err)
{
    json_t *of_file = NULL;
    if (s->config->file != NULL &&
        !proxy_file_load(s->config->file, s->config->workers, &of_file, err))
        return false;
    *ret = json_copy(s->config->proxies);
    if (of_file != NULL)
        json_array_extend(*ret, of_file);
    json_decref(of_file);
    return true;
}

static void print_proxies(const struct serving *s)
{
    json_t *all = proxy_set_list(s->host.set), *one;
    size_t i;
    json_array_foreach(all, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        bool plain = strncmp(name, "proxy", 5) == 0;
        if (!json_is_true(json_object_get(one, "enabled")))
            continue;
        printf("listening on %s -> %s%s%s%s\n", json_string_value(json_object_get(one, "listen")),
               json_string_value(json_object_get(one, "to")), plain ? "" : " (", plain ? "" : name,
               plain ? "" : ")");
    }
    json_decref(all);
    fflush(stdout);
}

/* A file that is wrong changes nothing. */
static bool reload(void *cookie, struct error *err)
{
    struct serving *s = cookie;
    json_t *all = NULL;
    if (!read_all(s, &all, err))
        return false;
    bool ok = proxy_set_replace(s->host.set, all, true, err);
    json_decref(all);
    return ok;
}

/* Without a file of proxies: each is put as it is, which reads its own files of TLS. */
static void read_tls_again(struct serving *s)
{
    struct error err = {0};
    json_t *all = proxy_set_list(s->host.set), *one;
    bool any = false;
    size_t i;
    json_array_foreach(all, i, one)
    {
        any = any || json_object_get(one, "tls") != NULL || json_object_get(one, "to_tls") != NULL;
    }
    if (!any)
        fprintf(stderr, "meshproof: SIGHUP, but there is no file to read again\n");
    else if (!proxy_set_replace(s->host.set, all, false, &err))
        fprintf(stderr, "meshproof: nothing was changed: %s\n", err.text);
    else
        fprintf(stderr, "meshproof: the files of TLS were read again\n");
    json_decref(all);
}

static void on_reload(int signo, void *cookie)
{
    struct serving *s = cookie;
    struct error err = {0};
    (void)signo;
    if (s->config->file == NULL) {
        read_tls_again(s);
    } else if (!reload(s, &err)) {
        fprintf(stderr, "meshproof: %s: nothing was changed: %s\n", s->config->file, err.text);
    } else {
        fprintf(stderr, "meshproof: %s was read again\n", s->config->file);
        print_proxies(s);
    }
}

static bool start_processes(struct serving *s, struct proxy_host_config *host, struct error *err)
{
    const struct proxy_serve *c = s->config;
    const struct proxy_scribe_config scribe = {.path = c->output,
                                               .run = c->run,
                                               .seed_text = c->seed_text,
                                               .version = MESHPROOF_VERSION,
                                               .seed = c->seed,
                                               .argv = (const char *const *)c->argv,
                                               .argc = (size_t)c->argc,
                                               .workers = c->workers};
    if (c->output != NULL && !proxy_scribe_start(&scribe, &s->scribe, err))
        return false;
    if (c->workers <= 1) {
        host->recorder_fd = s->scribe == NULL ? -1 : proxy_scribe_fd(s->scribe, 0);
        return true;
    }
    if (!proxy_fleet_start(host, s->scribe, &s->fleet, err))
        return false;
    if (s->scribe != NULL)
        proxy_scribe_keep(s->scribe, UINT_MAX);
    host->remote = proxy_fleet_remote(s->fleet);
    return true;
}

static bool open_admin(struct serving *s, struct error *err)
{
    struct admin_server_config config = {.listen = s->config->admin,
                                         .token = s->config->token,
                                         .version = MESHPROOF_VERSION,
                                         .set = s->host.set,
                                         .reload = s->config->file == NULL ? NULL : reload,
                                         .cookie = s};
    if (s->config->admin == NULL)
        return true;
    if (!admin_server_open(s->host.loop, &config, &s->admin, err))
        return false;
    printf("admin on %s\n", admin_server_address(s->admin));
    return true;
}

static bool open_toxi(struct serving *s, struct error *err)
{
    struct toxi_server_config config = {
        .listen = s->config->toxiproxy_api, .version = MESHPROOF_VERSION, .set = s->host.set};
    if (config.listen == NULL)
        return true;
    if (!toxi_server_open(s->host.loop, &config, &s->toxi, err))
        return false;
    printf("toxiproxy api on %s\n", toxi_server_address(s->toxi));
    return true;
}

static bool open_parts(struct serving *s, struct error *err)
{
    struct proxy_host_config host = {.seed = s->config->seed,
                                     .drain_ns = s->config->drain_ns,
                                     .workers = s->config->workers,
                                     .recorder_fd = -1,
                                     .hooks = &hook_engine_lua};
    json_t *all = NULL;
    if (!read_all(s, &all, err))
        return false;
    bool ok =
        start_processes(s, &host, err) && proxy_host_open(&s->host, &host, err) &&
        (s->fleet == NULL || proxy_fleet_watch(s->fleet, s->host.loop, on_fleet_end, s, err)) &&
        loop_signal(s->host.loop, SIGTERM, on_end, s, err) &&
        loop_signal(s->host.loop, SIGINT, on_end, s, err) &&
        loop_signal(s->host.loop, SIGHUP, on_reload, s, err) &&
        proxy_set_replace(s->host.set, all, true, err) && open_admin(s, err) && open_toxi(s, err);
    json_decref(all);
    return ok;
}

/* Each part's failure counts, and the first that is told. */
static void close_parts(struct serving *s)
{
    struct error err = {0};
    bool told = s->code != EXIT_PASS;
    admin_server_free(s->admin);
    toxi_server_free(s->toxi);
    if (!proxy_fleet_free(s->fleet, &err) && !told) /* its watches are on the host's loop */
        s->code = EXIT_SURROUNDINGS;
    if (!proxy_host_close(&s->host, &err) && !told)
        s->code = EXIT_SURROUNDINGS;
    if (s->scribe != NULL && !proxy_scribe_finish(s->scribe, &err) && !told)
        s->code = EXIT_SURROUNDINGS;
    if (!told && err.kind != ERROR_NONE)
        s->code = command_fail(&err);
}

int proxy_serve_run(const struct proxy_serve *config)
{
    struct serving s = {.config = config};
    struct error err = {0};
    if (!open_parts(&s, &err)) {
        if (config->file == NULL || err.text[0] == '\0' || s.host.loop != NULL)
            s.code = command_fail(&err);
        else
            s.code = EXIT_USAGE; /* told, line by line */
    } else {
        print_proxies(&s);
        if (config->says_seed)
            fprintf(stderr, "meshproof: seed %s\n", config->seed_text);
        if (!loop_run(s.host.loop, &err))
            s.code = command_fail(&err);
    }
    close_parts(&s);
    return s.code;
}
