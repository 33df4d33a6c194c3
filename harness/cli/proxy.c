#include "cli/arguments.h"
#include "cli/prepare.h"
#include "cli/proxy_fault.h"
#include "cli/proxy_serve.h"

#include "base/clock.h"
#include "net/chain.h"
#include "net/limits.h"
#include "net/proxy.h"
#include "standalone/admin_server.h"
#include "standalone/proxy_fleet.h"
#include "standalone/toxi_list.h"
#include "standalone/toxi_routes.h"
#include "standalone/toxi_server.h"

#include <stdlib.h>

/* meshproof proxy: the fault proxy on its own, between any two services. */

#define PAIRS_MOST 64
#define ADMIN_ADDRESS "127.0.0.1:7481"
#define DRAIN_NS (10 * NS_PER_S)

static const char *const protocol_words[] = {"http", "http1", "http2", "tcp", "toxic", NULL};
static const char *const version_words[] = {"1.2", "1.3", NULL};
static const char *const switch_words[] = {"on", "off", NULL};
static const struct option proxy_options[] = {
    {"listen", 0, "ADDRESS", NULL, "Relay", "where clients connect; port 0: the kernel's choice",
     NULL, true},
    {"to", 0, "ADDRESS", NULL, "Relay", "the backend; one for each --listen, in order", NULL, true},
    {"name", 0, "NAME", NULL, "Relay", "of the proxy; in order, too", NULL, true},
    {"protocol", 0, "NAME", "http", "Relay",
     "http1, http2, tcp, toxic (tcp that takes toxics), or http: by what a connection begins with; "
     "TLS then offers HTTP/2 too, and the backend must speak what the client took",
     protocol_words, false},
    {"fault", 0, "FAULT", NULL, "Relay", "in force from the start: 'abort status=503 share=30%'",
     NULL, true},
    {"workers", 0, "N", "1", "Relay",
     "processes on the same addresses; above 1 they share no counter: first and times are refused",
     NULL, false},
    {"seed", 0, "TEXT", NULL, "Relay", "of all random choices; default: random, printed", NULL,
     false},
    {"drain", 0, "TIME", "10s", "Relay", "how long calls may go on once the proxy ends or goes",
     NULL, false},
    {"tls-cert", 0, "FILE", NULL, "TLS", "serve TLS with this leaf and its chain (PEM)", NULL,
     false},
    {"tls-key", 0, "FILE", NULL, "TLS", "the key of that leaf", NULL, false},
    {"tls-trust", 0, "FILE", NULL, "TLS", "roots; a client certificate is then required", NULL,
     false},
    {"tls-lab", 0, "DIR", NULL, "TLS",
     "folder of `meshproof certs new`: makes the leaves of fault.cert, and ours without --tls-cert",
     NULL, false},
    {"tls-identity", 0, "ID", NULL, "TLS",
     "whose leaves those are: spiffe://..., DNS names, comma between", NULL, false},
    {"to-tls", 0, NULL, NULL, "TLS", "speak TLS to the backend", NULL, false},
    {"to-trust", 0, "FILE", NULL, "TLS", "its roots; without it nothing is verified", NULL, false},
    {"to-cert", 0, "FILE", NULL, "TLS", "our leaf towards it", NULL, false},
    {"to-key", 0, "FILE", NULL, "TLS", "the key of that leaf", NULL, false},
    {"to-name", 0, "NAME", NULL, "TLS", "SNI; with --to-trust what its leaf must be for", NULL,
     false},
    {"tls-min", 0, "VERSION", NULL, "TLS", "of both sides (1.2)", version_words, false},
    {"tls-max", 0, "VERSION", NULL, "TLS", "of both sides (1.3)", version_words, false},
    {"tls-resumption", 0, "on|off", NULL, "TLS", "of both sides (off)", switch_words, false},
    {"admin", 0, "[ADDRESS]", NULL, "Steer",
     "REST interface (127.0.0.1:7481): GET /openapi.json describes it, GET /metrics counts", NULL,
     false},
    {"toxiproxy-api", 0, "[ADDRESS]", NULL, "Steer",
     "Toxiproxy's HTTP API (" TOXI_ADDRESS "), for its clients; loopback only", NULL, false},
    {"token-env", 0, "NAME", NULL, "Steer",
     "environment variable with the bearer token; needed beyond loopback", NULL, false},
    {"output", 'o', "FILE", NULL, "Results", "the journal; without it there are no records", NULL,
     false},
    {"run", 0, "TEXT", NULL, "Results", "names the run in the journal", NULL, false},
};

static bool add_faults(const struct arguments *args, json_t *faults, struct error *err)
{
    const char *texts[CHAIN_SLOTS_MOST];
    size_t count = arguments_all(args, "fault", texts, COUNT_OF(texts));
    for (size_t i = 0; i < count; i++) {
        json_t *fault;
        if (!proxy_fault_parse(texts[i], &fault, err)) {
            error_prefix(err, "--fault '%.60s': ", texts[i]);
            return false;
        }
        json_array_append_new(faults, fault);
    }
    return true;
}

struct tls_option {
    const char *option, *key;
};

/* NULL: none of them was given. */
static json_t *tls_keys(const struct arguments *args, const struct tls_option *options,
                        size_t count)
{
    json_t *keys = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *value = arguments_get(args, options[i].option);
        if (value == NULL)
            continue;
        keys = keys == NULL ? json_object() : keys;
        json_object_set_new(keys, options[i].key, json_string(value));
    }
    return keys;
}

static bool add_both(const struct arguments *args, json_t *keys)
{
    static const struct tls_option both[] = {{"tls-min", "min"}, {"tls-max", "max"}};
    json_t *more = tls_keys(args, both, COUNT_OF(both));
    const char *resumption = arguments_get(args, "tls-resumption");
    bool given = more != NULL || resumption != NULL;
    if (keys != NULL && more != NULL)
        json_object_update(keys, more);
    if (keys != NULL && resumption != NULL)
        json_object_set_new(keys, "resumption", json_boolean(strcmp(resumption, "on") == 0));
    json_decref(more);
    return given;
}

/* The options hold for every pair of the command line. */
static bool add_tls(const struct arguments *args, json_t *proxies, struct error *err)
{
    static const struct tls_option served[] = {{"tls-cert", "cert"},
                                               {"tls-key", "key"},
                                               {"tls-trust", "trust"},
                                               {"tls-lab", "lab"},
                                               {"tls-identity", "identity"}};
    static const struct tls_option dialled[] = {
        {"to-trust", "trust"}, {"to-cert", "cert"}, {"to-key", "key"}, {"to-name", "name"}};
    json_t *tls = tls_keys(args, served, COUNT_OF(served)),
           *to_tls = tls_keys(args, dialled, COUNT_OF(dialled)), *proxy;
    bool dials = arguments_has(args, "to-tls"), ok = true;
    size_t i;
    if (to_tls != NULL && !dials)
        ok = error_set(err, ERROR_USAGE,
                       "--to-trust, --to-cert, --to-key and --to-name need --to-tls");
    else if (to_tls == NULL && dials)
        to_tls = json_object();
    bool both = add_both(args, tls);
    both = add_both(args, to_tls) || both;
    if (ok && both && tls == NULL && to_tls == NULL)
        ok = error_set(err, ERROR_USAGE,
                       "--tls-min, --tls-max and --tls-resumption need --tls-cert or --to-tls");
    if (ok && (tls != NULL || to_tls != NULL) && json_array_size(proxies) == 0)
        ok = error_set(err, ERROR_USAGE,
                       "options of TLS are for --to on the command line; in a file a proxy has "
                       "tls and to_tls");
    json_array_foreach(proxies, i, proxy)
    {
        if (ok && tls != NULL)
            json_object_set(proxy, "tls", tls);
        if (ok && to_tls != NULL)
            json_object_set(proxy, "to_tls", to_tls);
    }
    json_decref(tls);
    json_decref(to_tls);
    return ok;
}

static json_t *pair(const struct arguments *args, size_t i, size_t count, const char *listen,
                    const char *to, const char *name, json_t *faults)
{
    char own[24];
    snprintf(own, sizeof(own), count == 1 ? "proxy" : "proxy-%zu", i + 1);
    return json_pack("{ss ss ss ss sO}", "name", name == NULL ? own : name, "listen",
                     listen == NULL ? "127.0.0.1:0" : listen, "to", to, "protocol",
                     arguments_get(args, "protocol"), "faults", faults);
}

static bool read_pairs(const struct arguments *args, json_t *proxies, struct error *err)
{
    const char *listen[PAIRS_MOST] = {NULL}, *to[PAIRS_MOST], *name[PAIRS_MOST] = {NULL};
    size_t listens = arguments_all(args, "listen", listen, PAIRS_MOST);
    size_t count = arguments_all(args, "to", to, PAIRS_MOST);
    size_t names = arguments_all(args, "name", name, PAIRS_MOST);
    bool fed = args->position_count == 1 || arguments_has(args, "admin") ||
               arguments_has(args, "toxiproxy-api");
    if (count == 0 && fed && listens == 0 && !arguments_has(args, "fault"))
        return true;
    if (count == 0)
        return error_set(err, ERROR_USAGE,
                         "proxy needs a backend: meshproof proxy --listen 127.0.0.1:8080 --to "
                         "127.0.0.1:9000");
    if ((listens != 0 && listens != count) || names > count)
        return error_set(err, ERROR_USAGE,
                         "%zu --listen, %zu --to and %zu --name; each --to has its own", listens,
                         count, names);
    json_t *faults = json_array();
    bool ok = add_faults(args, faults, err);
    for (size_t i = 0; ok && i < count; i++) {
        json_t *one = pair(args, i, count, listen[i], to[i], name[i], faults);
        ok = one != NULL || error_set(err, ERROR_USAGE, "an address or a name is not UTF-8");
        if (ok)
            json_array_append_new(proxies, one);
    }
    json_decref(faults);
    return ok;
}

static bool read_admin(const struct arguments *args, struct proxy_serve *to, struct error *err)
{
    const char *variable = arguments_get(args, "token-env");
    to->admin = arguments_get(args, "admin");
    if (to->admin != NULL && to->admin[0] == '\0')
        to->admin = ADMIN_ADDRESS;
    to->toxiproxy_api = arguments_get(args, "toxiproxy-api");
    if (to->toxiproxy_api != NULL && to->toxiproxy_api[0] == '\0')
        to->toxiproxy_api = TOXI_ADDRESS;
    if (variable == NULL)
        return true;
    to->token = getenv(variable);
    if (to->token == NULL || to->token[0] == '\0')
        return error_set(err, ERROR_USAGE, "--token-env: the environment has no %.60s", variable);
    return true;
}

static bool read_options(const struct arguments *args, struct proxy_serve *to, struct error *err)
{
    uint64_t workers = 1;
    if (args->position_count > 1)
        return error_set(err, ERROR_USAGE, "proxy takes at most one file");
    to->file = args->position_count == 1 ? args->positions[0] : NULL;
    to->output = arguments_get(args, "output");
    to->argc = args->argc;
    to->argv = args->argv;
    if (!arguments_duration(args, "drain", &to->drain_ns, err) ||
        !arguments_count(args, "workers", &workers, err) || !read_admin(args, to, err) ||
        !read_pairs(args, to->proxies, err) || !add_tls(args, to->proxies, err))
        return false;
    if (workers < 1 || workers > PROXY_FLEET_WORKERS_MOST)
        return error_set(err, ERROR_USAGE, "--workers is %llu; it must be 1 to %d",
                         (unsigned long long)workers, PROXY_FLEET_WORKERS_MOST);
    to->workers = (unsigned)workers;
    return true;
}

static int run(const struct arguments *args)
{
    struct proxy_serve serve = {.proxies = json_array(), .drain_ns = DRAIN_NS};
    struct error err = {0};
    char seed_text[9], run_text[9];
    uint64_t unused;
    seed_of_text(arguments_get(args, "seed"), seed_text, &serve.seed);
    seed_of_text(arguments_get(args, "run"), run_text, &unused);
    serve.seed_text = seed_text;
    serve.run = run_text;
    serve.says_seed = arguments_get(args, "seed") == NULL && !arguments_has(args, "quiet");
    int code = read_options(args, &serve, &err) ? proxy_serve_run(&serve) : command_fail(&err);
    json_decref(serve.proxies);
    return code;
}

static void notes(struct text *to)
{
    text_add(to, "%s", proxy_fault_grammar);
    text_add(
        to,
        "File:\n"
        "  Lua that returns proxy { name=, listen=, to=, protocol=, faults = { fault.abort {...} } "
        "}\n"
        "  or a list of those. SIGHUP reads it again; what is unchanged keeps its connections.\n"
        "  TLS: tls = { cert=, key=, trust=, lab=, identity=, min=, max=, resumption= } and\n"
        "  to_tls = { trust=, cert=, key=, name=, min=, max=, resumption= } or to_tls = true.\n"
        "  Files of TLS are read when a proxy is made or changed, and at SIGHUP: other bytes are\n"
        "  for new connections.\n"
        "Signals:\n"
        "  SIGTERM, SIGINT: drain, and at the second one cut.\n");
    limits_print(to);
    text_add(
        to,
        "Limits of what steers:\n"
        "  %d proxies, %d pairs on the command line, %d faults a proxy, %d bytes a name, %d bytes\n"
        "  a --fault, %d workers. REST interface: %d connections, each %llu s without a whole\n"
        "  request, bodies of %zu KiB, answers of %zu MiB. Toxiproxy's: %d connections, bodies of\n"
        "  %zu KiB, answers of %zu MiB, %d bytes a name, %d s for a name server.\n",
        PROXY_SET_MOST, PAIRS_MOST, CHAIN_SLOTS_MOST, PROXY_SET_NAME_MOST, PROXY_FAULT_MOST_BYTES,
        PROXY_FLEET_WORKERS_MOST, ADMIN_CONNECTIONS_MOST,
        (unsigned long long)(ADMIN_IDLE_MOST_NS / NS_PER_S), ADMIN_BODY_MOST_BYTES / 1024,
        ADMIN_ANSWER_MOST_BYTES / (1024 * 1024), TOXI_CONNECTIONS_MOST, TOXI_BODY_MOST_BYTES / 1024,
        TOXI_ANSWER_MOST_BYTES / (1024 * 1024), TOXI_NAME_MOST, TOXI_LOOKUP_MOST_S);
}

const struct command command_proxy = {
    .name = "proxy",
    .about = "Relay between two services, with faults on the way.",
    .positions = "[FILE.lua]",
    .options = proxy_options,
    .option_count = COUNT_OF(proxy_options),
    .exits = "0 drained  4 surroundings  64 usage",
    .example = "meshproof proxy --listen 127.0.0.1:8080 --to 127.0.0.1:9000 --fault 'latency "
               "add=200ms share=30%'",
    .run = run,
    .notes = notes,
};
