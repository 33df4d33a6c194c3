#ifndef LIVE_LIVE_H
#define LIVE_LIVE_H

/* A run as a person watches it: fed with what goes into the journal, in the order in which it
 * comes, and read as a snapshot by the terminal view, the live page, `status` and the plain log.
 * Pure: time is given, nothing is opened. Only the subject is shown; controls are told of by their
 * verdicts.
 *
 * It judges nothing. What is seen of ejection (`out`) are silences: others of the service have
 * tries and this endpoint has none (journal/picks.h), the rule of await.ejected; verdicts come from
 * the judge, by live_judged. Text of a journal or a plan is hostile: all text of a snapshot is
 * valid UTF-8 without control characters (live_clean).
 *
 * Times of a snapshot are ns since the first phase began (before it: 0), as reports count them. */

#include "base/text.h"
#include "journal/tap.h"
#include "verify/judge.h"

#define LIVE_LANES 12
#define LIVE_BUCKETS 60 /* one a second; the last is the newest second that is over */
#define LIVE_EVENTS 50
#define LIVE_FAULTS 32
#define LIVE_GUARDS 8
#define LIVE_VERDICTS 40
#define LIVE_PHASES 64
#define LIVE_REQUESTS 20
#define LIVE_NAME_BYTES 64
#define LIVE_TEXT_BYTES 200

enum live_state { LIVE_STARTING, LIVE_RUNNING, LIVE_PAUSED, LIVE_WAITING, LIVE_UNDOING, LIVE_DONE };
const char *live_state_word(enum live_state state); /* "starting", "running", ... */

/* An endpoint in the last minute. ${kind}: what failed most often in that second: '5' a status of
 * 500 and up, 't' the mesh left before an answer, 'r' reset or cut, 'x' a handshake that was
 * refused; '#' out and without tries; '.' nothing failed. */
struct live_lane {
    char name[LIVE_NAME_BYTES]; /* "payments/2" */
    uint32_t answered[LIVE_BUCKETS], failed[LIVE_BUCKETS];
    char kind[LIVE_BUCKETS];
    bool out;
    uint32_t answered_per_s, failed_per_s; /* mean of the last three seconds */
};
/* A fault in force. ${total_ns}: from its arming to the end that is planned; UINT64_MAX: the phase
 * ends by an event that sets no time. */
struct live_fault {
    char text[LIVE_NAME_BYTES];  /* "abort 503" */
    char place[LIVE_NAME_BYTES]; /* "payments/2, /3": as drawn */
    char share[32]; /* "20 %", "first 1", "every request"; "": all that ${text} names */
    uint64_t left_ns, total_ns, fired;
    uint32_t reach_per_s; /* firings, mean of the last three seconds */
};
enum live_guard_state { LIVE_GUARD_OK, LIVE_GUARD_NEAR, LIVE_GUARD_TRIPPED };
/* A guard.stop. Near: beyond its limit, for less than its `over`; or above four fifths of an upper
 * limit; or less than a quarter above a lower one. ${samples}: the newest of each second, as a
 * share of the limit; negative: none. */
struct live_guard {
    char name[LIVE_NAME_BYTES];
    char value[32], limit[48]; /* "323.0 ms", "at most 400ms"; value "no data" */
    enum live_guard_state state;
    bool upper; /* the limit is one from above */
    float samples[LIVE_BUCKETS];
};
enum live_phase_state { LIVE_PHASE_DONE, LIVE_PHASE_NOW, LIVE_PHASE_NEXT };
struct live_phase {
    char name[LIVE_NAME_BYTES];
    uint64_t from_ns, to_ns; /* of those to come: as planned */
    enum live_phase_state state;
};
struct live_verdict {
    enum verdict_kind kind;
    char claim[32];              /* "retry.max" */
    char text[LIVE_TEXT_BYTES];  /* one sentence */
    char mark[96];               /* the policy's line, "payments-vs.yaml:14"; "": none */
    char needs[LIVE_TEXT_BYTES]; /* INCONCLUSIVE: what would decide it; "": not known */
};
/* How the client's calls ended. */
enum live_ending {
    LIVE_ENDED_GOOD, /* a status below 400, grpc OK */
    LIVE_ENDED_4XX,
    LIVE_ENDED_5XX,     /* or a grpc status that is not OK */
    LIVE_ENDED_TIMEOUT, /* the client gave up */
    LIVE_ENDED_CUT,     /* reset, closed or cut short */
    LIVE_ENDED_REFUSED,
    LIVE_ENDINGS
};
const char *live_ending_word(enum live_ending ending);
/* A call that did not end well. */
struct live_request {
    uint64_t at_ns, took_ns;
    enum live_ending ending;
    uint16_t status;
    char name[LIVE_NAME_BYTES]; /* for `show --request`: "c-18f2" */
    char path[LIVE_NAME_BYTES];
};
enum live_event_kind {
    LIVE_EVENT_PHASE,
    LIVE_EVENT_FAULT,
    LIVE_EVENT_MESH,
    LIVE_EVENT_UNDO,
    LIVE_EVENT_GUARD,
    LIVE_EVENT_CLAIM,
    LIVE_EVENT_WORLD,
    LIVE_EVENT_QUESTION,
    LIVE_EVENT_RUN,
    LIVE_EVENT_END,
};
const char *live_event_word(enum live_event_kind kind); /* "phase", "fault", ... */
struct live_event {
    uint64_t at_ns;
    enum live_event_kind kind;
    const char *what; /* as --json names it (scenario-language.md 6): "phase.start"; a constant */
    char about[LIVE_NAME_BYTES]; /* the phase, the fault's place, the guard, the claim; "": none */
    char text[LIVE_TEXT_BYTES];
    bool quiet;   /* for --json alone: guard.sample */
    double value; /* guard.sample */
};
struct live_question {
    bool open;
    uint32_t number;
    char ask[LIVE_TEXT_BYTES], role[LIVE_NAME_BYTES];
    uint64_t since_ns, within_ns; /* within 0: no limit */
};
struct live_snapshot {
    enum live_state state;
    char run[16], seed[LIVE_NAME_BYTES], suite[LIVE_TEXT_BYTES], target[LIVE_NAME_BYTES];
    char scenario[LIVE_NAME_BYTES], edge[LIVE_NAME_BYTES];     /* "checkout -> payments" */
    uint64_t since_start_ns, expected_total_ns, phase_left_ns; /* left UINT64_MAX: not known */
    char next[LIVE_TEXT_BYTES]; /* "Next at 3:30: rotate roots"; "" */
    char ends[LIVE_TEXT_BYTES]; /* how the phase under way ends, when not by the clock; "" */
    struct live_lane lanes[LIVE_LANES];
    size_t lane_count, lanes_more; /* more: endpoints that are not shown */
    struct live_fault faults[LIVE_FAULTS];
    size_t fault_count, faults_more;
    struct live_guard guards[LIVE_GUARDS];
    size_t guard_count;
    struct live_phase phases[LIVE_PHASES];
    size_t phase_count;
    struct live_verdict verdicts[LIVE_VERDICTS]; /* FAIL, then INCONCLUSIVE, then PASS */
    size_t verdict_count;
    size_t fail, inconclusive, pass;       /* of all that gate, so far */
    uint64_t judged_ns;                    /* as of; 0: not yet */
    struct live_event events[LIVE_EVENTS]; /* the newest first */
    size_t event_count;
    struct live_question question;
    /* Reach: requests that faults touched, of all tries, a second; endpoints that one is on, of
     * all. */
    uint32_t touched_per_s, tries_per_s, endpoints_touched, endpoints;
    uint64_t requests, tries; /* so far */
    uint64_t ended[LIVE_ENDINGS];
    struct live_request failed[LIVE_REQUESTS]; /* that were not good, the newest first */
    size_t failed_count;
    char journal[LIVE_TEXT_BYTES];
    uint64_t journal_bytes;
    char abort_reason[LIVE_TEXT_BYTES]; /* "": not aborted */
    uint32_t undone, undo_total;        /* while undoing: faults and changes to the world */
    char end[LIVE_TEXT_BYTES];          /* how the run ended; "": not yet */
};

struct live;
/* The plan is borrowed and outlives it. */
struct live *live_new(const struct plan *plan, const char *run, const char *suite, const char *seed,
                      const char *target);
void live_free(struct live *l);
/* Called for each event as it is told, quiet ones too; one listener. */
void live_listen(struct live *l, void (*on_event)(void *cookie, const struct live_event *event),
                 void *cookie);

/* A row as it goes into the journal (journal/tap.h: records, and the conductor's own rows).
 * ${now_ns}: when it came, on the conductor's clock. */
void live_record(struct live *l, const struct record_source *from, enum record_kind kind,
                 const void *record, uint64_t now_ns);
/* Silences show by the passing of time: call it once a second or so. */
void live_tick(struct live *l, uint64_t now_ns);
/* A judgement of what there is so far (judge_options.partial), as it was at ${as_of_ns}, in two
 * steps, for a judge in another process: rows without pointers. ${ret} has room for ${most}; what
 * does not gate or does not apply is left out. Returns the count. */
#define LIVE_JUDGED_MOST 2000
struct live_judged {
    struct live_verdict shown;
    uint64_t witness_ns; /* 0: none */
    uint32_t scenario, ordinal;
};
size_t live_judged_of(const struct judgement *so_far, struct live_judged *ret, size_t most);
void live_judged(struct live *l, const struct live_judged *rows, size_t count, uint64_t as_of_ns);
void live_journal(struct live *l, const char *path, uint64_t bytes);

void live_snapshot(const struct live *l, uint64_t now_ns, struct live_snapshot *ret);
/* ${from} without control characters, cut to fit between two characters; bytes that are not UTF-8,
 * and characters that would turn the direction of text or have no width, become '?'. */
void live_clean(char *to, size_t size, const char *from);
/* For a page: one object without a line break, at most LIVE_JSON_BYTES.
 * Where all would not fit, older events, then PASS verdicts, then lanes are left out. Keys as the
 * fields above; enums are their words; times in ms; of a lane "answered" and "failed" are arrays
 * and "kind" is a text. */
#define LIVE_JSON_BYTES 8192
bool live_json(const struct live_snapshot *s, struct text *to);

#endif
