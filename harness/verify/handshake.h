#ifndef VERIFY_HANDSHAKE_H
#define VERIFY_HANDSHAKE_H

/* The TLS handshakes of one expectation, as the claims of mTLS and of rotations read them
 * (spec/verifier.md 3.6, reference/tls-measured.md 4): what each came to, which leaf of ours it
 * showed, and what the steps of the plan let expect of it. It judges nothing. */

#include "verify/window.h"

/* What we showed the mesh. Those before SHOWN_GOOD are wrong, and are the parameters of tls.refuse
 * and tls.surface. */
enum shown {
    SHOWN_EXPIRED,
    SHOWN_NOT_YET_VALID,
    SHOWN_WRONG_SAN,
    SHOWN_WRONG_TRUST_DOMAIN,
    SHOWN_UNKNOWN_ROOT,
    SHOWN_MISSING_INTERMEDIATE,
    SHOWN_SAMENAME_ROOT,
    SHOWN_NO_CERTIFICATE,
    SHOWN_GOOD,
    SHOWN_UNSURE,    /* a swap was under way: either of two may have been in force */
    SHOWN_DISTURBED, /* a fault other than a wrong leaf had this handshake: no evidence */
};
#define SHOWN_WRONG SHOWN_GOOD
/* "an expired leaf". */
extern const char *const shown_texts[SHOWN_WRONG];
/* "expired", as `fault.cert kind` has it. */
extern const char *const shown_words[SHOWN_WRONG];

enum sure { SURE_NO, SURE_YES, SURE_NOT };

struct shake {
    const struct handshake_record *r;
    const struct handshake_row *row;
    uint64_t end_ns; /* the last stamp of it */
    enum shown shown;
    enum sure fits; /* by the declared steps: each side trusts the other's root. For a wrong leaf of
                       a fault other than old_root and new_root: SURE_NOT */
    bool ours_unfit; /* it is our leaf that the mesh does not trust */
    bool full;       /* not resumed, and a certificate was sent by us */
    bool accepted;   /* the peer's application bytes came: "done" is nothing in TLS 1.3 */
    bool refused;    /* by an alert, or our own verification */
    bool ended;      /* neither, but the connection was ended before it was accepted */
};

/* One change of what a place presents or trusts. */
struct swap {
    uint64_t from_ns, to_ns; /* to_ns: read back, and the time that its workers may need */
    uint16_t endpoint;       /* 0: the mesh */
    bool leaf, taken;
    const char *what; /* "leaf root-b serial 1A", "bundle root-a,root-b" */
};

/* "root-a,root-b" of a bundle, "root-b" of a leaf. */
struct bytes swap_roots(const struct swap *swap);
/* The root of all before the first step (scenario-language.md 1.6). */
#define SHAKES_FIRST_ROOT "root-a"

struct shakes {
    struct shake *at; /* of the whole scenario, by time */
    size_t count;
    struct swap *swaps; /* by time */
    size_t swap_count;
    bool lab; /* the certificates are the lab's: its steps say who trusts what */
};

void shakes_init(struct shakes *s, const struct window *w);
void shakes_release(struct shakes *s);
/* Of the window, and of the endpoint that is asked. */
bool shake_is_asked(const struct window *w, const struct shake *h);
/* Whether TLS claims mean anything on that edge: its proxies speak mutual TLS. */
bool shakes_apply(const struct edge_policy *edge);
/* Both true: ${v} is answered (there is nothing to judge, or this is no lab with TLS). */
bool shakes_lack(const struct shakes *s, const struct window *w, struct verdict *v,
                 struct arena *arena);

/* What may have been in force at ${endpoint} (0: the mesh) somewhere in [from, to]: whether it
 * trusts ${root}, and whether its leaf is of a root that ${by} trusts. */
enum sure shakes_trusts(const struct shakes *s, uint16_t endpoint, struct bytes root,
                        uint64_t from_ns, uint64_t to_ns);
/* "root-b" of "CN=root-b,O=meshproof lab#1a2b3c4d"; empty: it has no common name. */
struct bytes shake_root(const char *serialised);

/* A span in which the declared steps leave a pair unfit, longer than swaps take. */
struct skew {
    uint16_t endpoint;
    bool ours; /* the mesh does not trust our leaf; else we do not trust the mesh's */
    uint64_t from_ns, to_ns;
};
/* At most ${most} of those that touch the window. Returns how many. */
size_t shakes_skews(const struct shakes *s, const struct window *w, struct skew *ret, size_t most);
/* The phase says itself that handshakes must be refused in it (expect.refused). */
bool window_declares_refusal(const struct window *w);

/* A swap of the scenario up to ${before_ns} that the mesh did not take, or a counter that says so:
 * INCONCLUSIVE, true. What was seen behind it is no evidence: it went on with the old file. */
bool shakes_untaken(const struct shakes *s, const struct window *w, uint64_t before_ns,
                    struct verdict *v, struct arena *arena);
/* "payments/2". */
const char *shake_place(const struct window *w, uint16_t endpoint, struct arena *arena);
/* A text key of a step, ${fallback} where it is not set. */
const char *step_text(const struct step *s, const char *key, const char *fallback);
/* Not applicable, with a sentence. */
void verdict_nothing(struct verdict *v, struct arena *arena, const char *format, ...) PRINTF(3, 4);

#endif
