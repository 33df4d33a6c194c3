#ifndef VERIFY_HANDSHAKE_FIXTURE_TEST_H
#define VERIFY_HANDSHAKE_FIXTURE_TEST_H

/* For the tests of mTLS and rotations: the journal of limits_fixture_test.h with handshakes and
 * with changes of certificates, of three endpoints in a lab whose proxies speak mutual TLS. */

#include "verify/limits_fixture_test.h"

#define SHAKE_WALL UINT64_C(1800000000)
#define SHAKE_MESH "URI:spiffe://cluster.local/ns/default/sa/client"

struct shake_row {
    uint64_t at_us;
    uint16_t endpoint;
    const char *own_root;  /* NULL: root-a */
    const char *mesh_root; /* NULL: root-a */
    const char *serial;    /* of the mesh's leaf; NULL: "A1" */
    const char *sans;      /* NULL: SHAKE_MESH */
    bool refused;          /* by the mesh, unless ${by_us} */
    bool by_us, ended, resumed, no_leaf, no_bytes;
    uint16_t fault;
    uint8_t first_byte, side;                                    /* first_byte 0: TLS */
    uint64_t not_before_s, not_after_s, wall_s, own_not_after_s; /* 0: a day, and now */
};

static inline void shakes_open(struct limits *l, const char *word, const char *const *keys)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    edge.retry.attempts = limits_value(2);
    edge.retry.on = RETRY_CONNECT_FAILURE;
    limits_open(l, &edge, 20 * LIMITS_S, word, keys);
    l->plan->scenarios[0].lab.driver = DRIVER_ENVOY;
    l->plan->scenarios[0].lab.tls = "mutual";
    struct step *room = ARENA_ARRAY(&l->plan->arena, struct step, 16);
    room[0] = l->phase->steps[0];
    l->phase->steps = room;
}

static inline struct step *shakes_step(struct limits *l, enum step_kind kind, const char *word,
                                       const char *on, const char *const *keys)
{
    struct step *s = &l->phase->steps[l->phase->step_count++];
    *s = step_make(l->plan, kind, word, on, (struct source){"tls.lua", 12, 0}, keys);
    plan_number_faults(&l->plan->scenarios[0]);
    return s;
}

/* `at "..." { cert.WORD { ... } }`. */
static inline void shakes_at(struct limits *l, uint64_t at_us, const char *word,
                             const char *const *keys)
{
    struct step *outer = &l->phase->steps[l->phase->step_count++];
    *outer = (struct step){.kind = STEP_AT,
                           .from_ns = at_us * NS_PER_US,
                           .to_ns = UINT64_MAX,
                           .keys = NULL,
                           .steps = ARENA_ARRAY(&l->plan->arena, struct step, 1),
                           .step_count = 1};
    struct step empty = step_make(l->plan, STEP_AT, "at", NULL, (struct source){0}, NULL);
    outer->keys = empty.keys;
    outer->steps[0] =
        step_make(l->plan, STEP_CERT, word, NULL, (struct source){"tls.lua", 14, 0}, keys);
}

static inline uint32_t shakes_root(struct limits *l, const char *name)
{
    char text[64];
    snprintf(text, sizeof(text), "CN=%s,O=meshproof lab#12ab34cd", name == NULL ? "root-a" : name);
    return journal_add_name(l->j, text);
}

static inline void shakes_add(struct limits *l, const struct shake_row *x)
{
    bool good = !x->refused && !x->by_us && !x->ended && !x->no_bytes;
    struct handshake_record r = {
        .at = LIMITS_T0 + x->at_us * NS_PER_US,
        .hello = 1,
        .done = x->refused || x->by_us ? 0 : NS_PER_MS,
        .first_app = good ? 2 * NS_PER_MS : 0,
        .alert_in = x->refused ? 49 : 0,
        .alert_in_at = x->refused ? NS_PER_MS : 0,
        .alert_out = x->by_us ? 49 : 0,
        .alert_out_at = x->by_us ? NS_PER_MS : 0,
        .app_bytes = good ? 80 : 0,
        .wall = x->wall_s == 0 ? SHAKE_WALL : x->wall_s,
        .own_not_after = x->own_not_after_s == 0 ? SHAKE_WALL + 86000 : x->own_not_after_s,
        .not_before = x->not_before_s == 0 ? SHAKE_WALL - 60 : x->not_before_s,
        .not_after = x->not_after_s == 0 ? SHAKE_WALL + 86340 : x->not_after_s,
        .conn = (uint32_t)l->j->handshake_count + 1,
        .sans = x->no_leaf ? 0 : journal_add_name(l->j, x->sans == NULL ? SHAKE_MESH : x->sans),
        .leaf_serial =
            x->no_leaf ? 0 : journal_add_name(l->j, x->serial == NULL ? "A1" : x->serial),
        .root = shakes_root(l, x->mesh_root),
        .own_serial = x->resumed ? 0 : journal_add_name(l->j, "B1"),
        .own_root = x->resumed ? 0 : shakes_root(l, x->own_root),
        .endpoint = x->endpoint,
        .version = 0x0304,
        .fault = x->fault,
        .side = x->side,
        .result = (uint8_t)(x->refused ? HANDSHAKE_REFUSED_BY_PEER
                            : x->by_us ? HANDSHAKE_REFUSED_BY_US
                            : x->ended ? HANDSHAKE_EOF
                                       : HANDSHAKE_DONE),
        .resumed = x->resumed,
        .first_byte = x->first_byte == 0 ? 0x16 : x->first_byte,
        .closed_by = x->no_bytes ? 0 : 1,
        .flags =
            (uint8_t)((x->resumed ? 0 : HANDSHAKE_CERTIFICATE_SENT) |
                      (x->resumed || x->no_leaf || x->refused ? 0
                                                              : HANDSHAKE_CERTIFICATE_RECEIVED)),
    };
    journal_add(l->j, LIMITS_PROXY, RECORD_HANDSHAKE, &r);
}

/* ${count} of them, ${every_us} apart, over all endpoints in turn (${x}.endpoint 0) or at one. */
static inline void shakes_run(struct limits *l, struct shake_row x, size_t count, uint64_t every_us)
{
    uint16_t one = x.endpoint;
    for (size_t i = 0; i < count; i++) {
        x.endpoint = one == 0 ? (uint16_t)(i % 3 + 1) : one;
        shakes_add(l, &x);
        x.at_us += every_us;
    }
}

/* ${endpoint} 0: the mesh. */
static inline void shakes_swap(struct limits *l, uint64_t at_us, uint16_t endpoint,
                               const char *what, bool taken)
{
    char place[32];
    snprintf(place, sizeof(place), "payments/%u", endpoint);
    struct world_record r = {.at = LIMITS_T0 + at_us * NS_PER_US,
                             .after = 4 * NS_PER_MS,
                             .what = journal_add_name(l->j, what),
                             .place = journal_add_name(l->j, endpoint == 0 ? "client" : place),
                             .endpoint = endpoint,
                             .step = 1,
                             .read_back_ok = taken};
    journal_add(l->j, endpoint == 0 ? LIMITS_MESH : LIMITS_PROXY, RECORD_WORLD, &r);
}

static inline void shakes_swap_all(struct limits *l, uint64_t at_us, const char *what)
{
    for (uint16_t e = 1; e <= 3; e++)
        shakes_swap(l, at_us, e, what, true);
}

#endif
