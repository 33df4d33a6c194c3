#ifndef LIVE_LIVE_MODEL_H
#define LIVE_LIVE_MODEL_H

/* What the files of the live model share: its state between two records. */

#include "base/clock.h"
#include "base/units.h"
#include "journal/picks.h"
#include "live/live.h"
#include "plan/probe.h"

#define SECONDS_KEPT 64 /* more than a snapshot shows: records come a little late */
#define ENDPOINTS_MOST 256
#define RATE_SECONDS 3
#define PHASES_MOST 256
#define LOADS_MOST 64
#define QUESTIONS_OPEN_MOST 16

enum live_failing { FAILING_5XX, FAILING_TIMEOUT, FAILING_RESET, FAILING_HANDSHAKE, FAILINGS };

/* One second of an endpoint; ${second} says which, so nothing has to be cleared by time. */
struct lane_second {
    uint64_t second;
    uint32_t answered, failed[FAILINGS];
    bool out;
};
struct lane {
    size_t service; /* in the lab */
    uint16_t number;
    bool out;
    uint64_t out_since_ns, out_count;
    struct lane_second ring[SECONDS_KEPT];
};
struct second_count {
    uint64_t second;
    uint32_t count;
};
struct fault_seen {
    bool armed, expired; /* expired: its ttl is over, its phase is not */
    uint16_t id;
    const struct step *step; /* NULL: the plan has no such fault */
    uint32_t owner;          /* ordinal of its phase; UINT32_MAX: the scenario's */
    uint64_t from_ns, to_ns; /* since its phase began */
    char text[LIVE_NAME_BYTES], place[LIVE_NAME_BYTES];
    char service[LIVE_NAME_BYTES];
    uint16_t endpoints[32]; /* as drawn; the first of them */
    size_t endpoint_count;
    uint64_t armed_ns, fired;
    struct second_count ring[SECONDS_KEPT];
};
struct guard_seen {
    const struct guard_plan *plan;
    const struct probe_plan *probe;
    char label[128];            /* as its samples name it */
    double above, below, value; /* NAN: no such bound, no value */
    bool near, tripped;
    unsigned told; /* 1: that it is near, 2: beyond, its limit */
    struct {
        uint64_t second;
        double value;
    } ring[SECONDS_KEPT];
};
struct phase_seen {
    /* Its rows in the journal: one, or one of each arm; ${open} of them have not ended. What is
     * undone at a phase's end is told after its row. */
    uint32_t rows[PLAN_ARMS_MOST];
    size_t row_count, open;
    char name[LIVE_NAME_BYTES];
    uint32_t ordinal;
    bool again, paused;      /* paused: it goes on with what is left of it */
    uint64_t from_ns, to_ns; /* 0: not yet */
};
struct live {
    const struct plan *plan;
    void (*on_event)(void *cookie, const struct live_event *event);
    void *cookie;
    struct live_snapshot
        head;         /* what does not change from record to record: names, texts, verdicts */
    uint64_t zero_ns; /* the first phase began; 0: not yet */
    bool paused, waiting, undoing, done;
    uint64_t done_ns;                                    /* with ${done} */
    struct live_question questions[QUESTIONS_OPEN_MOST]; /* open, in the order of their numbers */
    bool question_waits[QUESTIONS_OPEN_MOST];            /* the run waits for it */
    size_t question_count;
    const struct scenario *scenario;
    uint32_t scenario_index;
    struct lane *lanes;
    size_t lane_count, lanes_left_out;
    struct picks *picks; /* of each service */
    size_t service_count;
    struct second_count tries[SECONDS_KEPT], touched[SECONDS_KEPT];
    struct fault_seen faults[LIVE_FAULTS];
    size_t fault_count; /* slots in use, armed or not */
    struct guard_seen guards[LIVE_GUARDS];
    size_t guard_count;
    struct phase_seen phases[PHASES_MOST];
    size_t phase_count;
    size_t phase_now;                          /* SIZE_MAX: none under way */
    uint32_t world_open;                       /* changes to the world that stand */
    struct live_request failed[LIVE_REQUESTS]; /* a ring, as ${events} */
    size_t failed_count, failed_next;
    uint32_t loads[LOADS_MOST]; /* processes of load generators, in the order in which they spoke */
    size_t load_count;
    struct live_event events[LIVE_EVENTS]; /* a ring; ${event_next}: the oldest once it is full */
    size_t event_count, event_next;
};

/* live.c: the scenario that is walked from now on. */
void live_enter(struct live *l, uint32_t scenario);

/* live_event.c */
uint64_t live_since(const struct live *l, uint64_t t_ns);
void live_tell(struct live *l, uint64_t t_ns, enum live_event_kind kind, const char *what,
               const char *about, const char *format, ...) PRINTF(6, 7);
/* "3:02.4": a time of the views. */
const char *live_clock(uint64_t ns, bool tenths, char *to, size_t size);

/* live_lane.c */
void live_lanes_open(struct live *l);
void live_lanes_close(struct live *l);
void live_attempt(struct live *l, const struct record_source *from, const struct attempt_record *r,
                  uint64_t now_ns);
void live_handshake(struct live *l, const struct record_source *from,
                    const struct handshake_record *r);
void live_lanes_tick(struct live *l, uint64_t now_ns);
void live_lanes_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret);
void second_add(struct second_count ring[SECONDS_KEPT], uint64_t at_ns);
/* Mean of the newest whole seconds. */
uint32_t second_rate(const struct second_count ring[SECONDS_KEPT], uint64_t now_ns);

/* live_fault.c */
void live_faults_open(struct live *l);
void live_fault_armed(struct live *l, const json_t *json, uint64_t t_ns);
void live_fault_disarmed(struct live *l, const json_t *json, uint64_t t_ns);
void live_fault_seen(struct live *l, const struct fault_record *r);
/* Counts its firings; whether any fault had a hand in it. */
bool live_fault_fired(struct live *l, const char *service, uint32_t bits, uint16_t id,
                      uint64_t at_ns);
bool live_fault_touches(const struct live *l, const char *service, uint16_t number);
size_t live_faults_armed(const struct live *l);
void live_faults_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret);

/* live_guard.c */
void live_guards_open(struct live *l);
void live_sample(struct live *l, const struct record_source *from, const struct sample_record *r);
void live_guard_trip(struct live *l, const json_t *json, uint64_t t_ns);
void live_guards_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret);

/* live_request.c */
void live_request(struct live *l, const struct record_source *from, const struct request_record *r);
void live_requests_show(const struct live *l, struct live_snapshot *ret);

/* live_row.c: the conductor's own rows, and changes to the world. */
void live_row(struct live *l, const struct journal_event *e);
void live_end(struct live *l, const struct journal_end *end);
void live_world(struct live *l, const struct record_source *from, const struct world_record *r);

/* live_phase.c */
void live_phase(struct live *l, const struct journal_phase *p);
void live_phases_open(struct live *l);
/* The journal's row is one of its runs. */
bool live_phase_has(const struct phase_seen *p, uint32_t row);
/* When the phase under way, or ${ordinal} of those to come, is to end; UINT64_MAX: it sets no time.
 */
uint64_t live_phase_end_ns(const struct live *l, uint32_t ordinal, uint64_t now_ns);
void live_phases_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret);

#endif
