#ifndef CERTS_ROTATION_H
#define CERTS_ROTATION_H

/* A rotation as values: which leaf each party presents and which roots it trusts, as the steps of
 * the scenario language move them (spec/scenario-language.md 1.6), and what a pair must answer then
 * (reference/tls-measured.md sections 1, 3 and 4). A pure state machine: no keys, no files, no
 * clock. Whoever drives it makes the leaf and swaps the bytes that a change names.
 *
 * Times are nanoseconds on the caller's clock. */

#include "certs/certs.h"

#define ROTATION_PARTIES_MOST 64
#define ROTATION_ROOTS_MOST 32
#define ROTATION_EVENTS_MOST 1024
#define ROTATION_NAME_BYTES 64

struct rotation_party {
    char name[ROTATION_NAME_BYTES];      /* "mesh", "payments/1" */
    uint8_t bundle[ROTATION_ROOTS_MOST]; /* roots by index, in the order of the file */
    size_t bundle_count;
    uint8_t leaf_root;
    uint16_t generation;     /* of its leaf; rises by one with each swap */
    uint64_t leaf_ends_ns;   /* 0: not within this run */
    enum cert_kind presents; /* GOOD, or a skew that is armed now */
};
struct rotation {
    char roots[ROTATION_ROOTS_MOST][ROTATION_NAME_BYTES];
    size_t root_count;
    struct rotation_party parties[ROTATION_PARTIES_MOST];
    size_t party_count;
    uint8_t active;
    uint8_t previous; /* ROTATION_NO_ROOT before the first rotation */
    struct rotation_event {
        uint64_t at_ns, issued_ns, ttl_ns;
        uint16_t step; /* of rotation_plan, from 1 */
        uint8_t party, verb;
        uint8_t add, drop, root;    /* ROTATION_NO_ROOT: none, or the active one */
    } events[ROTATION_EVENTS_MOST]; /* in order of time, then as planned */
    size_t event_count;
    uint16_t step_count;
};
#define ROTATION_NO_ROOT 255

enum rotation_verb { ROTATION_TRUST, ROTATION_ISSUE, ROTATION_ROTATE };
struct rotation_step {
    enum rotation_verb verb;
    const char *add, *drop; /* TRUST: NULL: none */
    const char *root;       /* ROTATE: needed; ISSUE: NULL is the active one at that time */
    const size_t *to;       /* parties in the order of the stagger */
    size_t to_count;        /* 0: all, in the order in which they joined */
    uint64_t at_ns, stagger_ns;
    uint64_t ttl_ns;     /* ISSUE, ROTATE; 0: no end within this run */
    uint64_t overlap_ns; /* ISSUE: the old leaf is presented until then */
};
struct rotation_change {
    uint16_t step;
    size_t party;
    bool leaf;        /* a leaf of ${root} is presented from now; else the bundle is another */
    const char *root; /* borrowed from the rotation */
    uint64_t issued_ns, ttl_ns;
};

/* Everyone presents a leaf of ${first_root} and trusts it alone. */
void rotation_init(struct rotation *r, const char *first_root);
/* Returns the party's number; SIZE_MAX: there are ROTATION_PARTIES_MOST already. */
size_t rotation_join(struct rotation *r, const char *name, struct error *err);
/* Adds a step to what is to come, in any order of time; nothing when it fails. A root's new name
 * makes a new root. */
bool rotation_plan(struct rotation *r, const struct rotation_step *step,
                   struct error *err) WARN_UNUSED;
/* False when what is planned would leave a party without any root: a mesh that is given an empty
 * bundle keeps the old one and refuses every file after it (tls-measured.md section 3). */
bool rotation_check(const struct rotation *r, struct error *err) WARN_UNUSED;
/* When the next event is due; false: none is planned. */
bool rotation_next(const struct rotation *r, uint64_t *ret_at_ns);
/* All that is still to come comes ${by_ns} later. */
void rotation_shift(struct rotation *r, uint64_t by_ns);
/* Does the next event that is due by ${now_ns}; false: none is. An event that changes nothing (a
 * root that was trusted already) is passed over: equal bytes are no event. */
bool rotation_advance(struct rotation *r, uint64_t now_ns, struct rotation_change *ret);
/* Of fault.cert: the root whose leaf OLD_ROOT or NEW_ROOT is: the active one before the last
 * rotation, that of the next one planned. Without any, a name that nobody trusts. */
const char *rotation_root_of(const struct rotation *r, enum cert_kind kind);

/* What a full handshake of a pair must come to, at ${now_ns}. */
enum rotation_side { ROTATION_NOBODY, ROTATION_CLIENT, ROTATION_SERVER };
/* What the one who asked a mesh's client proxy sees: the class follows from the side that refuses
 * and the TLS version alone (tls-measured.md section 1). */
enum rotation_class { ROTATION_ANSWERED, ROTATION_CONNECT_FAILURE, ROTATION_TERMINATION };
struct rotation_expect {
    enum rotation_side refuses; /* the first to; NOBODY: accepted */
    enum rotation_class class;
};
struct rotation_expect rotation_expect(const struct rotation *r, size_t client, size_t server,
                                       bool tls13, uint64_t now_ns);

#endif
