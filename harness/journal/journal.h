#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

/* A finished (or torn) journal in memory: what verify, reports and show read. Records are in arrays
 * by kind, in order of (proc, seq); names are resolved to one table. Pure: no clock, no socket. */

#include "base/arena.h"
#include "journal/record.h"

#include <jansson.h>

struct journal_proc {
    uint32_t proc;
    const char *role, *arm, *service;
    int64_t pid;
};
struct journal_phase {
    uint32_t phase, scenario, ordinal; /* ordinal: index of the phase in its scenario's plan */
    const char *arm, *name, *why;      /* why NULL: it never ended */
    uint64_t t0_ns, t1_ns;             /* t1 UINT64_MAX when it never ended */
};
struct journal_event {
    uint32_t phase;
    uint64_t t_ns;
    const char *what;
    json_t *json;
};

/* Each row: the record, and where it came from. Name fields of the record are rewritten to indexes
 * of journal_name (0: none), the same for equal text over all processes. */
struct attempt_row {
    struct attempt_record r;
    uint32_t proc, seq;
};
struct request_row {
    struct request_record r;
    uint32_t proc, seq;
};
struct connection_row {
    struct connection_record r;
    uint32_t proc, seq;
};
struct handshake_row {
    struct handshake_record r;
    uint32_t proc, seq;
};
struct fault_row {
    struct fault_record r;
    uint32_t proc, seq;
};
struct world_row {
    struct world_record r;
    uint32_t proc, seq;
};
struct metric_row {
    struct metric_record r;
    uint32_t proc, seq;
};
struct sample_row {
    struct sample_record r;
    uint32_t proc, seq;
};
struct clock_row {
    struct clock_record r;
    uint32_t proc, seq;
};
struct stall_row {
    struct stall_record r;
    uint32_t proc, seq;
};
struct host_row {
    struct host_record r;
    uint32_t proc, seq;
};
struct lost_row {
    struct lost_record r;
    uint32_t proc, seq;
};
struct hook_row {
    struct hook_record r;
    uint32_t proc, seq;
};
struct refusal_row {
    struct refusal_record r;
    uint32_t proc, seq;
};

struct hop_row {
    struct hop_record r;
    uint32_t proc, seq;
};

struct journal {
    const char *path;
    json_t *run, *plan, *policy; /* NULL where the row is missing */
    const char *end_how;         /* NULL: the run did not end */
    json_t *end;
    uint64_t end_ns;
    struct journal_proc *procs;
    struct journal_phase *phases;
    struct journal_event *events;
    struct attempt_row *attempts;
    struct request_row *requests;
    struct connection_row *connections;
    struct handshake_row *handshakes;
    struct fault_row *faults;
    struct world_row *worlds;
    struct metric_row *metrics;
    struct sample_row *samples;
    struct clock_row *clocks;
    struct stall_row *stalls;
    struct host_row *hosts;
    struct lost_row *losts;
    struct hook_row *hooks;
    struct refusal_row *refusals;
    struct hop_row *hops;
    size_t proc_count, phase_count, event_count, attempt_count, request_count, connection_count,
        handshake_count, hook_count, fault_count, world_count, metric_count, sample_count,
        clock_count, stall_count, host_count, lost_count, refusal_count, hop_count;
    const char **names;
    size_t name_count;
    struct arena arena;
    struct journal_index *index; /* the reader's own: look-ups, checksums */
};

/* Reads a file, during a run too (WAL). ERROR_INPUT: not a journal, damaged, or of a newer format
 * (exit 65). */
bool journal_open(const char *path, struct journal **ret, struct error *err) WARN_UNUSED;
/* The same, for who looks at one slice of the run after the other (journal_load): where the rows of
 * the kinds that grow with the traffic (attempts, requests, connections, hops) have more than
 * ${keep_bytes} in memory, and the run has several walks, none of them is there at first. All else
 * is, and what is said of the checksum is said of all. */
bool journal_open_sliced(const char *path, uint64_t keep_bytes, struct journal **ret,
                         struct error *err) WARN_UNUSED;
#define JOURNAL_KEEP_BYTES (UINT64_C(16) * 1024 * 1024)
/* Nothing was left in the file. */
bool journal_is_whole(const struct journal *j);
struct journal_slice {
    const char *arm; /* whose processes; NULL: all */
    uint64_t from_ns, to_ns;
};
/* Puts the rows of a slice (with those beside it that can be of the same requests) in the place of
 * those that are there; does nothing to a whole journal. ERROR_INPUT, as of journal_open; then the
 * journal is only good to be freed. */
bool journal_load(struct journal *j, const struct journal_slice *slice,
                  struct error *err) WARN_UNUSED;
void journal_free(struct journal *j);
const char *journal_name(const struct journal *j, uint32_t name); /* "" for 0 */
/* The index of a text, 0 when the journal has no such name. */
uint32_t journal_find_name(const struct journal *j, const char *text);
/* False when a row's values are not those that the conductor wrote, or a row is missing or added.
 */
bool journal_checksum_good(const struct journal *j);
/* Of all kinds of record, names apart; in memory or not. */
uint64_t journal_row_count(const struct journal *j);
const struct journal_proc *journal_proc_of(const struct journal *j,
                                           uint32_t proc); /* NULL: unknown */
/* An empty journal in memory, filled by journal_add_*: the simulator and the tests of claims. */
struct journal *journal_new(void);
/* Appends; seq counts up by itself, for each process. Name fields are indexes of journal_add_name.
 */
void journal_add(struct journal *j, uint32_t proc, enum record_kind kind, const void *record);
/* Makes room for about ${count} rows of a kind in an empty journal, where the caller knows so much:
 * else they are copied as the array grows. */
void journal_expect(struct journal *j, enum record_kind kind, size_t count);
/* Puts the arrays in order of (proc, seq) again, where processes were added in turns. */
void journal_sort(struct journal *j);
uint32_t journal_add_name(struct journal *j, const char *text);
void journal_add_proc(struct journal *j, uint32_t proc, const char *role, const char *arm,
                      const char *service);
void journal_add_phase(struct journal *j, const struct journal_phase *phase);
void journal_add_event(struct journal *j, uint32_t phase, uint64_t t_ns, const char *what,
                       json_t *take_json);
/* Writes all of it as a journal file (fixtures, mutation tests). */
bool journal_save(const struct journal *j, const char *path, struct error *err) WARN_UNUSED;
/* One JSON object a line, in order of time: `show --json`. */
bool journal_print_ndjson(const struct journal *j, FILE *to, struct error *err) WARN_UNUSED;
/* Some of them: the processes, then what is picked. */
struct ndjson_pick {
    uint64_t kinds; /* NDJSON_KIND of each kind of record that is meant */
    bool phases, events;
    /* Of a record of those kinds: a struct NAME_row, whether it is meant; NULL: each is. */
    bool (*keeps)(const void *cookie, enum record_kind kind, const void *row);
    const void *cookie;
};
#define NDJSON_KIND(kind) (UINT64_C(1) << (kind))
bool journal_print_picked(const struct journal *j, const struct ndjson_pick *pick, FILE *to,
                          struct error *err) WARN_UNUSED;

#endif
