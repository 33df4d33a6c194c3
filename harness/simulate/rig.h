#ifndef SIMULATE_RIG_H
#define SIMULATE_RIG_H

/* A fault of the plan as far as the simulator can play it: read once when its phase begins, asked
 * for each try. Words that it does not know never fire, so that the claims which need them stay
 * INCONCLUSIVE. What the fault does to the try is the endpoint's business (visit.c). */

#include "journal/journal.h"
#include "plan/plan.h"

enum rig_kind {
    RIG_STATUS,  /* answers so */
    RIG_SLOW,    /* answers well, later */
    RIG_HOLD,    /* never answers */
    RIG_RESET,   /* RST before the head */
    RIG_STREAM,  /* RST_STREAM before the head, of any code but REFUSED_STREAM */
    RIG_FIN,     /* closes before the head */
    RIG_STARTED, /* a head and three bytes, then RST */
    RIG_REFUSE,  /* the listener is down */
    RIG_ACCEPT,  /* RST at accept */
};
struct rig {
    enum rig_kind kind;
    const struct step *step;
    const char *until;             /* carried to the end of that phase; NULL: its own */
    uint32_t host;                 /* from 0; UINT32_MAX: all */
    uint32_t tag;                  /* name of the journal; 0: any request */
    bool tagged;                   /* only requests with ${tag} */
    uint32_t first, streak, times; /* 0: no such key */
    uint32_t fired;                /* so often up to now: what `times` counts */
    uint64_t share_ppm;            /* of requests, all tries alike */
    uint16_t status;
    uint16_t grpc; /* plus 1: answers so, status 200; 0: no such key */
    bool in_trailers;
    bool works; /* the backend had the request, and began its answer */
    uint64_t wait_ns;
    uint64_t from_ns, to_ns; /* of the clock of the scene */
};
#define RIGS_MOST 256
struct rigs {
    struct rig at[RIGS_MOST];
    size_t count;
    size_t at_connect; /* of them */
};

/* Arms the faults of ${phase}, which begins at ${t0_ns}. */
void rigs_add(struct rigs *r, struct journal *j, const struct phase *phase, uint64_t t0_ns);
/* The phase is over: what it armed, and what was carried to its end, is gone. */
void rigs_end(struct rigs *r, const char *phase);
/* A fault at connect on that host; NULL: none. */
const struct rig *rigs_connect(const struct rigs *r, uint32_t host, uint64_t now_ns);
/* A try as faults look at it: the ${k}-th of request ${id}, which has ${tag}. */
struct rig_try {
    uint64_t id;
    uint32_t host, tag, k;
};
/* The ${nth} fault (from 0) for ${x}; NULL: no more. */
const struct rig *rigs_find(const struct rigs *r, size_t *nth, const struct rig_try *x,
                            uint64_t now_ns);
/* ${rig}, one of ${r}, fires. */
void rigs_fire(struct rigs *r, const struct rig *rig);

#endif
