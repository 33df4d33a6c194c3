#ifndef SIMULATE_SCENE_H
#define SIMULATE_SCENE_H

/* One edge in virtual time: clients (scene.c, load.c), the mesh between (errand.c, made of
 * harness/model, so that a defect is the same change of configuration as in the builtin mesh), the
 * endpoints with their faults (visit.c), and the noise of a real machine. It writes the journal
 * that a real run would, and it judges nothing. One arm, HTTP/1.1 or unary gRPC (stream.c), one
 * proxy process; TLS and request bodies are not played: their faults never fire. */

#include "journal/journal.h"
#include "model/model.h"
#include "simulate/events.h"
#include "simulate/noise.h"
#include "simulate/rig.h"

#define SCENE_T0_NS (1000 * NS_PER_S)
#define SCENE_HOSTS_MOST 16
#define SCENE_STREAK 64
#define SCENE_LOADS_MOST 8
#define SCENE_METRICS 17
enum { SCENE_PROC_LOAD = 1, SCENE_PROC_PROXY = 2, SCENE_PROC_MESH = 3 };

enum scene_event {
    EVENT_OPEN,   /* a load's next request; index: load */
    EVENT_TAGGED, /* its next tagged request */
    EVENT_USER,   /* a closed load's user goes on */
    EVENT_SEND,   /* index: errand, and epoch its life, up to GIVE_UP */
    EVENT_ARRIVE,
    EVENT_TRY,
    EVENT_DONE,
    EVENT_GIVE_UP,
    EVENT_EXPIRE,  /* epoch: its alarm */
    EVENT_ANSWER,  /* epoch: its try, down to CUT */
    EVENT_BREAK,   /* what had begun was cut */
    EVENT_REFUSED, /* the connect failed */
    EVENT_CUT,
    EVENT_HEAD, /* index: visit */
    EVENT_OUT,
    EVENT_LEFT,
    EVENT_SCRAPE,
    EVENT_DOWN, /* index: a host whose listener closes, with the connections that it had */
    EVENT_KINDS,
};

struct scene_load {
    const struct load_plan *plan;
    uint16_t verb;
    bool grpc;
    uint32_t path; /* name of the journal */
    uint64_t gap_ns, end_ns;
    const struct tagged **tags; /* in the order in which they are sent */
    size_t tag_count, tag_next;
    uint32_t heal_left;
};
struct scene_conn {
    uint32_t number, carried;
};
/* An endpoint, with what its fault proxy and its place in the mesh's pool know of it. */
struct scene_host {
    uint8_t failed[SCENE_STREAK]; /* the streak guard's ring (spec/verifier.md 4.1) */
    uint64_t ended;
    uint32_t open; /* chosen by a fault, and not ended */
    struct scene_conn idle[64];
    uint32_t idle_count, open_count;
    struct scene_conn shared; /* by all gRPC calls to it; number 0: there is none */
    uint64_t lost_ns;         /* when the mesh reads that the last one is lost */
    /* What the conductor sees of it, for awaits. */
    uint64_t last_ns, elsewhere, gap_ns, picks, picks_before;
};

enum errand_state {
    ERRAND_FREE,
    ERRAND_WAITS,   /* for a host, or for a connection */
    ERRAND_BACKOFF, /* for its next try */
    ERRAND_TRIES,
    ERRAND_ANSWERS, /* the answer's head is there */
    ERRAND_OVER,
};
/* A request on its way through the mesh. */
struct errand {
    struct request_record r;
    struct timeout_clock clock;
    struct retry_state retry;
    struct balance_tried tried;
    struct try_result result; /* of the answer under way */
    struct scene_conn conn;
    enum errand_state state;
    uint32_t life, epoch, alarm;
    uint32_t load, phase; /* that sent it */
    uint32_t visit;       /* of the try under way, and its life; UINT32_MAX: none */
    uint32_t visit_life;
    uint32_t arrivals; /* tries that the endpoints have read */
    uint32_t host;
    uint64_t start_ns, queued_ns;
    bool in_retries, in_requests, has_conn, expired;
    bool breaks, broke; /* the answer under way will; and has, before it was read */
    bool grpc;
    uint16_t code; /* its grpc-status plus 1; 0: none, as of an HTTP status */
    uint8_t where; /* in its head, or in trailers: as the records say it */
};
/* A try at an endpoint. */
struct visit {
    struct attempt_record r;
    uint32_t errand, life, epoch; /* of the try that it is */
    uint32_t own;                 /* its own life: slots are used again */
    uint32_t host;
    struct rig rig;   /* a copy: it outlives its phase */
    bool rigged;      /* there is one */
    uint64_t slow_ns; /* by a fault beside ${rig} */
    uint64_t left_ns; /* the mesh had gone before the try was read */
    uint16_t status;
    bool read, ended, counted_open, grpc;
};

struct scene {
    struct journal *journal;
    const struct scenario *scenario;
    const struct edge_policy *edge;
    const char *arm;
    struct model_config model;
    struct outlier outlier;
    struct balance balance;
    struct breaker breaker;
    struct budget budget;
    struct rate rate[SCENE_HOSTS_MOST]; /* of each endpoint's own proxy */
    struct accrual accrual[SCENE_HOSTS_MOST];
    struct noise noise;
    struct rng rng;
    struct events events;
    struct rigs rigs;
    struct scene_host hosts[SCENE_HOSTS_MOST];
    uint32_t host_count, conn_count, cluster_open;
    struct errand *errands;
    uint32_t errand_count, errand_room, *errands_free, errand_free_count;
    struct visit *visits;
    uint32_t visit_count, visit_room, *visits_free, visit_free_count;
    struct scene_load loads[SCENE_LOADS_MOST];
    uint32_t load_count, phase_id, sent;
    const struct phase *phase;
    uint64_t now_ns;
    uint32_t edge_name, proxy_name, metric_names[SCENE_METRICS];
    uint64_t edge_patience_ns; /* of the client */
    struct {
        uint32_t index, life;
    } waiting[256]; /* errands that wait for a connection, in order */
    uint32_t waiting_count;
    struct {
        uint64_t total, retry, try_timeout, timeout, pending_overflow, connect_fail, by_class[6];
    } counted;
    /* Records of the fault proxy that a full queue drops, now and then. */
    uint64_t lose_from_ns, lose_to_ns, lost_first_ns, lost_last_ns, lost;
    bool failfast;
};

struct scene_options {
    const struct scenario *scenario;
    const struct edge_policy *edge; /* declared, and what the mesh plays */
    const char *arm;
    enum noise_kind noise;
    uint64_t seed;
    bool loses; /* some records are lost on the way */
    /* Makes a defect of what the models were given; NULL: none. */
    void (*change)(void *cookie, struct model_config *m);
    void *cookie;
};
void scene_init(struct scene *s, struct journal *j, const struct scene_options *options);
void scene_release(struct scene *s);
/* All that happens until ${t_ns}, then the clock stands there. */
void scene_run_until(struct scene *s, uint64_t t_ns);
/* One event; false: nothing is due any more. */
bool scene_step(struct scene *s);
void scene_add(struct scene *s, enum scene_event kind, uint32_t index, uint32_t epoch,
               uint64_t t_ns);

/* The mesh's counters, as they are now, into the journal. */
void scene_scrape(struct scene *s);

/* load.c */
void scene_load_begin(struct scene *s, const struct phase *phase, uint64_t end_ns);
void scene_load_event(struct scene *s, const struct event *e);
void scene_load_next(struct scene *s, const struct errand *done);

/* errand.c: the mesh's side. */
uint32_t errand_new(struct scene *s, uint32_t load, const char *tag, uint64_t due_ns);
void errand_event(struct scene *s, const struct event *e);

/* visit.c: the endpoints' side. */
uint32_t visit_new(struct scene *s, uint32_t errand, uint32_t host);
void visit_event(struct scene *s, const struct event *e);
/* The mesh has gone from the visit, which may be over. */
void visit_leave(struct scene *s, uint32_t visit, uint32_t life);
/* A connection that a fault reset at accept: when that was, for the mesh cannot know before. */
uint64_t visit_accept_reset(struct scene *s, uint32_t host, const struct rig *rig);

/* stream.c: gRPC calls, which share a connection to each endpoint. */
void stream_take(struct scene *s, struct errand *f);
/* The fault at connect that the call's connection meets; NULL: it is a good one, or an old one. */
const struct rig *stream_connect(struct scene *s, const struct errand *f);
/* True: its connection is lost, and the mesh has not read that yet. */
bool stream_is_lost(const struct scene *s, const struct errand *f);
/* All calls on the endpoint's connection end by its reset; ${fault}: by that one, 0: none. */
void stream_cut(struct scene *s, uint32_t host, uint16_t fault);
void stream_of_visit(struct visit *v, const struct errand *f);
/* The answer that ${rig} (NULL: none) makes of the try, and what the mesh reads in its head. */
void stream_answer(struct visit *v, struct errand *f, struct try_result *result);
/* The mesh's own answer, as a caller of gRPC gets it. */
void stream_made(struct errand *f);
void visit_reset(struct scene *s, uint32_t visit, uint16_t fault);

/* walk.c: a phase of the plan; ${again}: which repetition of the confirmation stage, 0: none. */
void scene_walk(struct scene *s, uint32_t ordinal, uint32_t again);

#endif
