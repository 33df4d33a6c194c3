#ifndef ENGINE_PROTOCOL_H
#define ENGINE_PROTOCOL_H

/* The control messages between the conductor and its agents (engine.md section 6): JSON bodies in
 * frames of kinds below 16, records between them. Every body is checked against one table before
 * anyone looks into it, so a hostile or broken peer yields an error and never a crash. No I/O. */

#include "base/bytes.h"

#include <jansson.h>

#define PROTOCOL_VERSION 2

enum control {
    CONTROL_COMMITTED = 0, /* conductor: it has so much of the agent's stream; what dialled in keeps
                              the rest for one more connection */
    CONTROL_HELLO = 1,     /* agent: who it is, on which clock. To one that dialled in the conductor
                              answers: where its stream goes on, or why it is refused */
    CONTROL_SETUP = 2,     /* conductor: its part of the plan */
    CONTROL_READY = 3,     /* agent: it works; its addresses */
    CONTROL_FAILED = 4,    /* agent: it cannot, or can no more; ends the run */
    CONTROL_START = 5,     /* conductor to load: the loads of a phase, instead of what runs now; or
                              (calm) one request of each of these */
    CONTROL_STOP = 6,      /* conductor to load: no new requests; a numbered one is answered */
    CONTROL_ARM = 7,    /* conductor to proxy and mesh: all faults that are in force from now on, in
                           declared order; ${down}: the backend that it started is dead */
    CONTROL_ARMED = 8,  /* proxy and mesh: the set is in force since ${at} */
    CONTROL_CLOCK = 9,  /* conductor: its time and the last bounds; agent: with its own two times */
    CONTROL_ROUTE = 10, /* conductor to stub: where its calls go; to mesh: an edge's endpoints */
    CONTROL_DONE = 11,  /* load: the finite loads of the last START have ended; or, with the number
                         * of a STOP, nothing more is sent */
    CONTROL_DRAIN = 12, /* conductor: finish, flush, say BYE and exit */
    CONTROL_BYE = 13,   /* agent: the last frame; counts of records by kind */
    CONTROL_CERT = 14,  /* conductor to proxy and mesh: another leaf or bundle, or reconnect */
    CONTROL_CERT_SET = 15, /* proxy and mesh: what that step brought is in force */
};

enum control_from { FROM_CONDUCTOR = 1, FROM_AGENT = 2 };

/* Parses and checks a body. ${from}: who sent it; a message of the other side is an error. ${ret}
 * is an object in which every needed field is there and every known field has its type; unknown
 * fields are left alone. */
bool control_parse(uint8_t kind, struct bytes body, enum control_from from, json_t **ret,
                   struct error *err) WARN_UNUSED;
/* The message as frames, behind what ${to} has. */
bool control_add(struct buffer *to, uint8_t kind, json_t *take_json, struct error *err) WARN_UNUSED;
/* "HELLO"; "?" for an unknown kind. */
const char *control_name(uint8_t kind);
/* Fields of a parsed body; absent ones are "", 0. Numbers are kept bit for bit (a seed may print
 * negative). */
const char *control_text(const json_t *body, const char *field);
uint64_t control_number(const json_t *body, const char *field);
bool control_flag(const json_t *body, const char *field);

/* Which clock a process stamps with: equal values mean that times may be subtracted
 * (verifier.md 1.1). */
struct clock_identity {
    char boot_id[40];
    uint64_t time_ns_inode;
};
void clock_identity_read(struct clock_identity *ret);

json_t *hello_make(const char *role);
/* What an agent that dials says beside: ${id} "payments/1"; ${instance}: drawn when it started, so
 * that one of the same name that was started again is not taken for it; ${took}: how much of the
 * conductor's stream it has; ${token}: the highest fencing token that it has seen
 * (kubernetes.md 2.1). */
struct hello_dialled {
    const char *id;
    uint64_t instance, took, token;
};
void hello_add(json_t *hello, const struct hello_dialled *said);
/* Build, record table, and that this conductor is none that another has taken over from. */
bool hello_check_dialled(const json_t *hello, uint64_t our_token, struct error *err) WARN_UNUSED;
/* The conductor's answer, as the agent checks it: false when it is refused, or when a conductor
 * with a higher token than ${answer}'s was seen. */
bool hello_answer_check(const json_t *answer, uint64_t seen_token, struct error *err) WARN_UNUSED;
/* False when the agent is another build, another role than was asked for, or not the process that
 * was started
 * (${pid} 0: any). */
bool hello_check(const json_t *hello, const char *role, int64_t pid, struct error *err) WARN_UNUSED;

#endif
