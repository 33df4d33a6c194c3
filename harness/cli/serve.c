#include "cli/arguments.h"
#include "cli/serve_routes.h"
#include "net/access.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

/* meshproof serve: runs suites for those who can only send HTTP, webhooks of Flagger and its like.
 */

#define TOKEN_LEAST 8

static const struct option serve_options[] = {
    {"listen", 0, "ADDRESS", "127.0.0.1:7480", "Where", "beyond loopback only with a token", NULL,
     false},
    {"suites", 0, "DIR", "suites", "Where", "the suites that may be asked for", NULL, false},
    {"token-env", 0, "NAME", NULL, "Safety",
     "the environment variable with the bearer token that callers must know", NULL, false},
};

struct serving {
    struct loop *loop;
    struct serve_routes *routes;
    bool ends;
};

static void on_drained(void *cookie)
{
    struct serving *s = cookie;
    loop_stop(s->loop);
}

/* The first signal halts what runs and waits for its read-back, a second one does not wait. */
static void on_signal(int signo, void *cookie)
{
    struct serving *s = cookie;
    (void)signo;
    if (s->ends) {
        loop_stop(s->loop);
        return;
    }
    s->ends = true;
    serve_routes_drain(s->routes, on_drained, s);
}

static bool read_config(const struct arguments *args, struct serve_routes_config *ret,
                        struct error *err)
{
    const char *name = arguments_get(args, "token-env");
    bool loopback;
    struct stat st;
    ret->listen = arguments_get(args, "listen");
    ret->suites = arguments_get(args, "suites");
    ret->token = name == NULL ? NULL : getenv(name);
    if (name != NULL && (ret->token == NULL || strlen(ret->token) < TOKEN_LEAST))
        return error_set(err, ERROR_USAGE,
                         "--token-env: %.60s is not in the environment, or shorter than %d bytes",
                         name, TOKEN_LEAST);
    if (stat(ret->suites, &st) != 0 || !S_ISDIR(st.st_mode))
        return error_set(err, ERROR_USAGE, "--suites: %.200s is no folder", ret->suites);
    if (!access_is_loopback(ret->listen, &loopback, err)) {
        error_prefix(err, "--listen ");
        return false;
    }
    return loopback || ret->token != NULL ||
           error_set(err, ERROR_USAGE,
                     "--listen %.80s: beyond loopback a token is needed: --token-env NAME",
                     ret->listen);
}

static bool serve(struct serving *s, struct serve_routes_config *config, struct error *err)
{
    if (!loop_new(&s->loop, err))
        return false;
    config->loop = s->loop;
    if (!serve_routes_open(config, &s->routes, err) ||
        !loop_signal(s->loop, SIGINT, on_signal, s, err) ||
        !loop_signal(s->loop, SIGTERM, on_signal, s, err))
        return false;
    printf("serving %s on http://%s\n", config->suites, serve_routes_address(s->routes));
    fflush(stdout);
    return loop_run(s->loop, err);
}

static int run(const struct arguments *args)
{
    struct serve_routes_config config = {0};
    struct serving s = {0};
    struct error err = {0};
    if (args->position_count > 0) {
        error_set(&err, ERROR_USAGE, "serve takes no argument: meshproof serve --suites suites/");
        return command_fail(&err);
    }
    if (!read_config(args, &config, &err))
        return command_fail(&err);
    int code = serve(&s, &config, &err) ? EXIT_PASS : command_fail(&err);
    serve_routes_free(s.routes);
    if (s.loop != NULL)
        loop_free(s.loop);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .about = "Run suites for those who can only send HTTP: webhooks and their like.",
    .positions = "",
    .options = serve_options,
    .option_count = COUNT_OF(serve_options),
    .exits = "0 stopped by a signal  4 surroundings  64 usage",
    .example =
        "MESHPROOF_TOKEN=... meshproof serve --listen 0.0.0.0:7480 --token-env MESHPROOF_TOKEN",
    .run = run,
};
