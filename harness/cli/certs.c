#include "cli/arguments.h"
#include "cli/certs_show.h"

#include "base/clock.h"
#include "base/units.h"
#include "certs/cert_store.h"

#include <stdlib.h>

/* meshproof certs: a lab authority in a directory, and the steps of a rotation, one at a time. */

#define TTL_DEFAULT_NS (24 * 3600 * NS_PER_S)
#define BY_DEFAULT_NS (600 * NS_PER_S)

static const char *const steps[] = {"trust", "issue", "drop", NULL};
/* old_root and new_root are said by --root. */
static const char *const kinds[] = {"good",
                                    "expired",
                                    "not_yet_valid",
                                    "wrong_san",
                                    "wrong_trust_domain",
                                    "unknown_root",
                                    "missing_intermediate",
                                    "samename_root",
                                    "no_certificate",
                                    NULL};
static const struct option certs_options[] = {
    {"identity", 0, "ID", NULL, "new",
     "a leaf of this SPIFFE id, Linkerd identity or DNS name, in a folder of the account's name; "
     "PLACE=ID names another",
     NULL, true},
    {"dns", 0, "NAME", NULL, "new", "a DNS name in every leaf besides", NULL, true},
    {"ip", 0, "ADDRESS", NULL, "new", "an IP address in every leaf besides", NULL, true},
    {"step", 0, "WHAT", NULL, "rotate",
     "trust (add the root to bundles), issue (leaves of it), or drop (remove it from bundles)",
     steps, false},
    {"to", 0, "PLACE", NULL, "rotate", "only there (all of them)", NULL, true},
    {"skew", 0, NULL, NULL, "rotate", "even if places then refuse each other", NULL, false},
    {"kind", 0, "WORD", "good", "rotate", "of issue: a wrong leaf, as fault.cert", kinds, false},
    {"by", 0, "TIME", "10m", "rotate", "of expired, not_yet_valid: how far off, from 60s", NULL,
     false},
    {"without-aki", 0, NULL, NULL, "rotate",
     "of samename_root: no authority key identifier, so that verifiers go by the name", NULL,
     false},
    {"root", 0, "NAME", NULL, "Common", "new: the first root (root-a); rotate: the step's", NULL,
     false},
    {"ttl", 0, "TIME", NULL, "Common", "leaves' lifetime (24h; rotate: as before)", NULL, false},
    {"json", 0, NULL, NULL, "Results", "as JSON", NULL, false},
};

static bool refuse_foreign(const struct arguments *args, const char *verb, struct error *err)
{
    for (size_t i = 0; i < args->given_count; i++) {
        const struct option *o = args->given[i].option;
        if ((strcmp(o->group, "new") == 0 || strcmp(o->group, "rotate") == 0) &&
            strcmp(o->group, verb) != 0)
            return error_set(err, ERROR_USAGE, "certs %s takes no --%s; certs %s does", verb,
                             o->name, o->group);
    }
    return true;
}

static bool add_all(const struct arguments *args, const char *option, struct identity *to,
                    struct error *err)
{
    const char *values[IDENTITY_SANS_MOST + 1];
    size_t count = arguments_all(args, option, values, COUNT_OF(values));
    for (size_t i = 0; i < count; i++) {
        enum san_kind wanted = strcmp(option, "ip") == 0 ? SAN_IP : SAN_DNS;
        if (!identity_add(to, values[i], err))
            return false;
        if (to->sans[to->san_count - 1].kind != wanted)
            return error_set(err, ERROR_USAGE, "--%s is \"%.80s\", which is %s", option, values[i],
                             wanted == SAN_IP ? "no IP address" : "no DNS name");
    }
    return true;
}

static bool seconds(const struct arguments *args, const char *option, uint64_t fallback_ns,
                    uint64_t *ret_s, struct error *err)
{
    uint64_t ns = fallback_ns;
    if (!arguments_duration(args, option, &ns, err))
        return false;
    *ret_s = ns / NS_PER_S;
    return ns % NS_PER_S == 0 || error_set(err, ERROR_USAGE, "--%s is in whole seconds", option);
}

struct typed_place {
    char name[AUTHORITY_NAME_MOST_BYTES];
    struct identity identity;
};

/* "PLACE=ID" or "ID"; NULL: --dns and --ip alone. */
static bool take_place(const struct arguments *args, const char *typed, struct typed_place *ret,
                       struct error *err)
{
    const char *equals = typed == NULL ? NULL : strchr(typed, '=');
    if ((typed != NULL &&
         !identity_add(&ret->identity, equals == NULL ? typed : equals + 1, err)) ||
        !add_all(args, "dns", &ret->identity, err) || !add_all(args, "ip", &ret->identity, err))
        return false;
    identity_short(&ret->identity, ret->name, sizeof(ret->name));
    if (equals != NULL)
        snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(equals - typed), typed);
    return cert_store_place_check(ret->name, err);
}

/* All of them before anything is made, so that a slip leaves nothing behind. */
static bool take_places(const struct arguments *args, struct typed_place *places, size_t *ret_count,
                        struct error *err)
{
    const char *ids[CERT_STORE_PLACES_MOST + 1] = {NULL};
    size_t count = arguments_all(args, "identity", ids, COUNT_OF(ids));
    if (count == 0 && !arguments_has(args, "dns") && !arguments_has(args, "ip"))
        return error_set(err, ERROR_USAGE,
                         "certs new needs --identity, --dns or --ip: whose leaves");
    if (count > CERT_STORE_PLACES_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d places allowed",
                         CERT_STORE_PLACES_MOST);
    *ret_count = count == 0 ? 1 : count;
    for (size_t i = 0; i < *ret_count; i++) {
        if (!take_place(args, ids[i], &places[i], err))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(places[k].name, places[i].name) == 0)
                return error_set(err, ERROR_USAGE,
                                 "two leaves for \"%s\"; say which is which: --identity %s-2=...",
                                 places[i].name, places[i].name);
        }
    }
    return true;
}

static bool make_store(const char *dir, const char *root, const struct typed_place *places,
                       size_t count, uint64_t ttl_s, struct error *err)
{
    struct cert_store *s;
    bool ok = true;
    if (!cert_store_new(dir, root, clock_wall_ns(), &s, err))
        return false;
    for (size_t i = 0; i < count && ok; i++) {
        ok = cert_store_add_place(s, places[i].name, &places[i].identity, ttl_s, clock_wall_ns(),
                                  err);
        if (ok)
            printf("%s/%s: tls.crt, tls.key, ca.crt of %s\n", dir, places[i].name, root);
    }
    cert_store_close(s);
    return ok;
}

static bool certs_new(const struct arguments *args, const char *dir, struct error *err)
{
    uint64_t ttl_s = 0;
    size_t count = 0;
    const char *root = arguments_get(args, "root");
    struct typed_place *places = check_alloc_zero(CERT_STORE_PLACES_MOST, sizeof(*places));
    bool ok =
        seconds(args, "ttl", TTL_DEFAULT_NS, &ttl_s, err) && authority_ttl_check(ttl_s, err) &&
        take_places(args, places, &count, err) &&
        make_store(dir, root == NULL ? AUTHORITY_FIRST_ROOT : root, places, count, ttl_s, err);
    free(places);
    return ok;
}

static bool step_of(const struct arguments *args, struct cert_step *step, const char **places,
                    size_t most, struct error *err)
{
    bool issues = strcmp(arguments_get(args, "step"), "issue") == 0;
    step->root = arguments_get(args, "root");
    step->places = places;
    step->place_count = arguments_all(args, "to", places, most);
    step->wall_ns = clock_wall_ns();
    step->skew = arguments_has(args, "skew");
    step->omit_authority_key = arguments_has(args, "without-aki");
    if (step->root == NULL)
        return error_set(err, ERROR_USAGE, "certs rotate needs --root NAME: which root");
    if (!cert_kind_parse(arguments_get(args, "kind"), &step->kind, err) ||
        !seconds(args, "ttl", 0, &step->ttl_s, err) ||
        !seconds(args, "by", BY_DEFAULT_NS, &step->by_s, err))
        return false;
    if (!issues && (step->kind != CERT_GOOD || step->ttl_s != 0))
        return error_set(err, ERROR_USAGE,
                         "--kind and --ttl are of --step issue: leaves have them");
    if (step->omit_authority_key && step->kind != CERT_SAMENAME_ROOT)
        return error_set(err, ERROR_USAGE, "--without-aki is of --kind samename_root");
    return true;
}

static bool certs_rotate(const struct arguments *args, const char *dir, struct error *err)
{
    const char *places[CERT_STORE_PLACES_MOST], *verb = arguments_get(args, "step");
    struct cert_step step = {0};
    struct cert_store *s;
    size_t changed = 0;
    if (verb == NULL)
        return error_set(err, ERROR_USAGE, "certs rotate needs --step trust, issue or drop");
    if (!step_of(args, &step, places, COUNT_OF(places), err) ||
        !cert_store_open(dir, true, &s, err))
        return false;
    bool ok = strcmp(verb, "trust") == 0   ? cert_store_trust(s, &step, &changed, err)
              : strcmp(verb, "issue") == 0 ? cert_store_issue(s, &step, &changed, err)
                                           : cert_store_drop(s, &step, &changed, err);
    if (ok)
        printf("%s %s: %zu place%s changed\n", verb, step.root, changed, changed == 1 ? "" : "s");
    cert_store_close(s);
    return ok;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    size_t problems = 0;
    bool ok;
    const char *verb = args->position_count == 2 ? args->positions[0] : "";
    if (strcmp(verb, "new") != 0 && strcmp(verb, "show") != 0 && strcmp(verb, "rotate") != 0)
        ok =
            error_set(&err, ERROR_USAGE,
                      "certs needs new, show or rotate, and a directory: meshproof certs show lab");
    else if (!refuse_foreign(args, verb, &err))
        ok = false;
    else if (strcmp(verb, "new") == 0)
        ok = certs_new(args, args->positions[1], &err);
    else if (strcmp(verb, "rotate") == 0)
        ok = certs_rotate(args, args->positions[1], &err);
    else
        ok = certs_show(args->positions[1], arguments_has(args, "json"), &problems, &err);
    if (!ok)
        return command_fail(&err);
    return problems > 0 ? EXIT_FAIL : EXIT_PASS;
}

const struct command command_certs = {
    .name = "certs",
    .about = "A lab authority in a directory: make it, look at it, rotate it step by step.",
    .positions = "new|show|rotate DIR",
    .options = certs_options,
    .option_count = COUNT_OF(certs_options),
    .exits =
        "0 done  1 show: a chain or a pair is broken  4 the file system  64 usage or bad files",
    .example = "meshproof certs new lab --identity spiffe://cluster.local/ns/shop/sa/payments",
    .run = run,
};
