/* The phases of mTLS and of rotations (spec/verifier.md 4.2, T1, T2, T4, T5 and the stall), for a
 * lab whose proxies speak mutual TLS. They come last: every endpoint is in, and stays in but for
 * the skews, whose refusals eject where ejection is in force.
 *
 * Not made: T3 (our client against a server-side proxy) and T6 (tickets on), which the lab has not.
 */
#include "verify/making.h"

#include "base/clock.h"
#include "verify/handshake.h"

#define RATE 100
#define REFUSE_NS (1500 * NS_PER_MS)
#define SURFACE_NS (1500 * NS_PER_MS)
#define ALONE_NS (60 * NS_PER_MS)
#define MEND_NS (300 * NS_PER_MS)
#define STEP_LEAST 30               /* 20 are needed of each pair and step */
#define SETTLE_NS (300 * NS_PER_MS) /* of a step: the read-back, and what a swap's span takes */
#define SKEW_FROM_NS (300 * NS_PER_MS)
#define SKEW_NS (1500 * NS_PER_MS)
#define PATTERN 3 /* bad, bad, good: never a run that ejects */
#define STALL_RATE 20
#define STALL_MOST_NS (5 * NS_PER_S)
#define BACK_NS (20 * NS_PER_S)

/* A handshake is the same whatever is asked behind it. */
static void begin(struct making *m, bool closed, uint64_t rate)
{
    making_begin(m);
    if (closed)
        making_closed(m, 1, ALONE_NS);
    else
        making_open(m, rate);
    m->loads[0].method = "GET";
}

static void expect(struct making *m, const char *word, const char *const *keys)
{
    making_step(m, step_make(m->p, STEP_EXPECT, word, m->edge_text, m->options->source, keys));
}

/* The same with a list: `never = { "plaintext", PART }`. */
static void expect_mtls(struct making *m, const char *part)
{
    struct step s = step_make(m->p, STEP_EXPECT, "mtls", m->edge_text, m->options->source, NULL);
    step_set_json(m->p, &s, "never", json_pack("[s, s]", "plaintext", part));
    making_step(m, s);
}

/* Good requests end what runs of failures there are; and what was ejected comes back. */
static void mend(struct making *m)
{
    begin(m, false, RATE);
    const char *name = arena_printf(&m->p->arena, "heal %u", ++m->heals);
    for (uint32_t i = 1; i <= m->n && m->ejects; i++)
        making_step(m, step_make(m->p, STEP_AWAIT, "readmitted", making_endpoint(m, i),
                                 m->options->source,
                                 (const char *const[]){"within", making_ms(m, BACK_NS), "late",
                                                       "go_on", NULL}));
    making_end(m, name, "every endpoint answers again", m->ejects ? 0 : MEND_NS);
}

static bool wants(const struct making *m, const char *family, enum shown x)
{
    return making_wants(m, arena_printf(&m->p->arena, "tls.%s[%s]", family, shown_words[x]));
}

/* T1. A server cannot do without a leaf: no_certificate is for where we are the client. */
static void refuse(struct making *m, enum shown x)
{
    static const char *const parts[] = {"expired",        "expired",      "wrong_identity",
                                        "wrong_identity", "unknown_root", "unknown_root",
                                        "unknown_root"};
    uint64_t streak = m->ejects && m->c - 1 < PATTERN ? m->c - 1 : PATTERN;
    if (!wants(m, "refuse", x))
        return;
    begin(m, false, RATE);
    struct step fault =
        step_make(m->p, STEP_FAULT, "cert", making_endpoint(m, m->one), m->options->source,
                  (const char *const[]){"kind", shown_words[x], NULL});
    step_set_json(m->p, &fault, "streak", json_integer((json_int_t)streak));
    making_step(m, fault);
    expect_mtls(m, parts[x]);
    making_end(m, arena_printf(&m->p->arena, "refuse %s", shown_words[x]),
               "one endpoint shows a wrong leaf, again and again, and its good one between",
               REFUSE_NS);
}

/* T2. */
static void surface(struct making *m, enum shown x)
{
    if (!wants(m, "surface", x))
        return;
    begin(m, true, 0);
    struct step fault = step_make(m->p, STEP_FAULT, "cert", m->to, m->options->source,
                                  (const char *const[]){"kind", shown_words[x], NULL});
    if (m->ejects)
        step_set_json(m->p, &fault, "streak", json_integer((json_int_t)m->c - 1));
    making_step(m, fault);
    static const char *const because[] = {"expired",        "not_yet_valid", "wrong_identity",
                                          "wrong_identity", "unknown_root",  "missing_intermediate",
                                          "unknown_root"};
    expect(m, "refused", (const char *const[]){"because", because[x], NULL});
    making_end(m, arena_printf(&m->p->arena, "surface %s", shown_words[x]),
               "all endpoints show it, and each request comes alone", SURFACE_NS);
    mend(m);
}

/* A step of certificates at a time of its phase. */
static void at(struct making *m, uint64_t from_ns, const char *word, const char *const *keys)
{
    struct step outer = step_make(m->p, STEP_AT, "at", NULL, m->options->source, NULL);
    outer.from_ns = from_ns;
    outer.steps = ARENA_ARRAY(&m->p->arena, struct step, 1);
    outer.step_count = 1;
    outer.steps[0] = step_make(m->p, STEP_CERT, word, NULL, m->options->source, keys);
    making_step(m, outer);
}

/* T4: each side trusts both roots before anyone shows a leaf of the new one, and until nobody shows
 * one of the old. */
static void rotation(struct making *m)
{
    const struct {
        const char *word, *keys[6];
    } steps[] = {
        {"trust", {"add", "root-b", "to", "client", NULL}},
        {"trust", {"add", "root-b", "to", m->to, NULL}},
        {"issue", {"root", "root-b", "to", m->to, NULL}},
        {"issue", {"root", "root-b", "to", "client", NULL}},
        {"trust", {"drop", "root-a", "to", "client", NULL}},
        {"trust", {"drop", "root-a", "to", m->to, NULL}},
    };
    uint64_t step_ns = STEP_LEAST * m->n * NS_PER_S / RATE + 2 * SETTLE_NS;
    if (!making_wants(m, "rot.R1"))
        return;
    begin(m, false, RATE);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        at(m, SETTLE_NS + i * step_ns, steps[i].word, steps[i].keys);
    expect(m, "rotation", NULL);
    making_end(m, "rotation", "to another root, in the right order",
               SETTLE_NS + COUNT_OF(steps) * step_ns);
}

/* T5: a phase in which the declared steps leave one endpoint unfit for a while. */
static void skew(struct making *m, const char *name, const char *about)
{
    expect(m, "rotation", NULL);
    expect(m, "refused", (const char *const[]){"because", "unknown_root", NULL});
    making_end(m, name, about, SKEW_FROM_NS + SKEW_NS + SETTLE_NS);
    mend(m);
}

static void skews(struct making *m)
{
    const char *one = making_endpoint(m, m->one);
    uint64_t from = SKEW_FROM_NS, to = SKEW_FROM_NS + SKEW_NS;
    if (!making_wants(m, "rot.R6") || !making_wants(m, "rot.R1"))
        return;
    begin(m, false, RATE);
    at(m, from, "issue", (const char *const[]){"root", "root-c", "to", one, NULL});
    at(m, to, "trust", (const char *const[]){"add", "root-c", "to", "client", NULL});
    skew(m, "leaf early", "one endpoint shows a leaf before the mesh trusts its root");
    begin(m, false, RATE);
    at(m, from, "trust", (const char *const[]){"drop", "root-c", "to", "client", NULL});
    at(m, to, "issue", (const char *const[]){"root", "root-b", "to", one, NULL});
    skew(m, "leaf late", "one endpoint shows a leaf whose root the mesh trusts no more");
    begin(m, false, RATE);
    at(m, from / 2, "trust", (const char *const[]){"add", "root-d", "to", one, NULL});
    at(m, from, "trust", (const char *const[]){"drop", "root-b", "to", one, NULL});
    at(m, to, "trust", (const char *const[]){"add", "root-b", "to", one, NULL});
    skew(m, "drop early", "one endpoint trusts the root of the mesh's leaf no more");
}

static uint64_t connect_ns(const struct making *m)
{
    const struct value *v = &m->edge->pool.connect_timeout;
    return v->set && v->number > 0 && v->number <= STALL_MOST_NS ? v->number : 0;
}

static void stall(struct making *m)
{
    uint64_t c_ns = connect_ns(m);
    if (c_ns == 0 || !making_wants(m, "tls.stall"))
        return;
    begin(m, false, STALL_RATE);
    making_step(m, step_make(m->p, STEP_FAULT, "tls_stall", making_endpoint(m, m->one),
                             m->options->source,
                             (const char *const[]){"step", "server_hello", "hold",
                                                   making_ms(m, 2 * c_ns + NS_PER_S), NULL}));
    expect(m, "timeout", (const char *const[]){"only", "connect", NULL});
    making_end(m, "stall", "one endpoint stops within its handshakes", 2 * c_ns + 3 * NS_PER_S);
    mend(m);
}

void making_tls(struct making *m)
{
    if (!shakes_apply(m->edge) || !plan_lab_tls(m->s) || (m->ejects && m->c <= 2))
        return;
    for (unsigned x = 0; x < SHOWN_NO_CERTIFICATE; x++)
        refuse(m, (enum shown)x);
    for (unsigned x = 0; x < SHOWN_NO_CERTIFICATE; x++)
        surface(m, (enum shown)x);
    stall(m);
    rotation(m);
    skews(m);
}
