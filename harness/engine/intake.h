#ifndef ENGINE_INTAKE_H
#define ENGINE_INTAKE_H

/* Where agents dial in (port 7400 of a cluster's conductor): it listens, shakes hands by the run's
 * key, reads one HELLO, and hands the connection on, or refuses it. Strangers cost bounded memory
 * and never disturb the run: each kind of refusal is told once, the rest are counted. Who may come,
 * and under which name, is its owner's business. */

#include "engine/channel.h"
#include "net/loop.h"

#include <jansson.h>

#define INTAKE_PENDING_MOST 128 /* shaking hands at once; one more ends the oldest */
#define INTAKE_HELLO_MOST_BYTES 4096
#define INTAKE_WITHIN_NS (5 * NS_PER_S) /* from accept to HELLO */

struct intake;
struct intake_events {
    /* A good HELLO (hello_check_dialled). True: ${wire} is taken, and was answered with
     * intake_answer. False, with the sentence that the agent is told: it stays ours. */
    bool (*on_hello)(void *cookie, const json_t *hello, struct carrier *wire, struct error *err);
    /* Something was refused, for the first time in this way; one line, clean text. */
    void (*on_refused)(void *cookie, const char *line);
};

struct intake_config {
    const char *listen;    /* "127.0.0.1:0", "10.77.0.2:7400" */
    const struct psk *psk; /* copied */
    uint64_t token;        /* our fencing token */
    uint64_t within_ns;    /* from accept to HELLO; 0: INTAKE_WITHIN_NS */
    struct intake_events events;
    void *cookie;
};
bool intake_open(struct loop *loop, const struct intake_config *config, struct intake **ret,
                 struct error *err) WARN_UNUSED;
const char *intake_address(const struct intake *i); /* as bound */
uint64_t intake_refused(const struct intake *i);    /* so far, of all kinds */
/* The answer to a HELLO that was taken: its stream goes on at ${at}; ${stub}: it is to start its
 * own stub. ERROR_PEER: it is gone. */
bool intake_answer(const struct intake *i, struct carrier *wire, uint64_t at, bool stub,
                   struct error *err) WARN_UNUSED;
/* NULL is fine. Connections that were handed on need nothing of ours but intake_free after their
 * end. */
void intake_close(struct intake *i);
void intake_free(struct intake *i);

#endif
