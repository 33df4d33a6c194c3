#ifndef JOURNAL_STORE_H
#define JOURNAL_STORE_H

/* The conductor's side: one SQLite file (WAL while the run lasts, STRICT tables from records.def,
 * one transaction per store_commit, indexes only at the end; closed as a single file). Text rows
 * (kinds 64 and up) are written here only. Every row of a record table has proc, seq and phase
 * beside its fields. */

#include "journal/tap.h"

struct store;

bool store_open(const char *path, struct store **ret, struct error *err) WARN_UNUSED;
/* Commits what is there and closes; with ${final} it also fills the phase column, makes the
 * indexes, checkpoints and leaves one file. NULL is allowed. */
bool store_close(struct store *s, bool final, struct error *err);

/* Many agents write, so the order in which rows arrive is chance: at a final close they are put in
 * the order of their merge key (store_merge.h). */
void store_merges(struct store *s);

/* From now on ${on_row} sees each row once it is written, as tap.h says. Once; before the first row
 * of a process, or its names are not known. */
void store_tap(struct store *s, tap_on_row *on_row, void *cookie);

/* One record or name frame of agent ${proc}. Unknown kinds are skipped. */
bool store_frame(struct store *s, uint32_t proc, uint32_t seq, uint8_t kind, struct bytes body,
                 struct error *err) WARN_UNUSED;
bool store_commit(struct store *s, struct error *err) WARN_UNUSED;
uint64_t store_count(const struct store *s, uint32_t proc, enum record_kind kind);

/* Kind 64: once, first. JSON:
 * {"run":"7c1e4a90","seed":"..","version":..,"argv":[..],"wall_ns":..,"host":..} */
bool store_run(struct store *s, const char *json, struct error *err) WARN_UNUSED;
/* Kind 65: the plan of the run, JSON as plan_to_json gives it. */
bool store_plan(struct store *s, const char *json, struct error *err) WARN_UNUSED;
/* Kind 66: {"edges":[{"arm":"subject","scenario":0,"edge":{edge_policy_to_json}}],"findings":[..],
 * "files":[{"file":"k8s/payments.yaml","parts":[{"from":1,"text":".."}]}]}: the policy's text by
 * lines, without what may be secret (policy/quote.h); journals of before have no files. */
bool store_policy(struct store *s, const char *json, struct error *err) WARN_UNUSED;
/* Kind 70: a process of the run. ${arm}: "subject", or a control's name. */
bool store_proc(struct store *s, uint32_t proc, const char *role, const char *arm,
                const char *service, int64_t pid, struct error *err) WARN_UNUSED;
/* Kind 67: a phase began / ended. ${t}: conductor's clock. ${why}: clock, event, late, abort,
 * decided. */
bool store_phase_begin(struct store *s, uint32_t phase, uint32_t scenario, const char *arm,
                       const char *name, uint32_t ordinal, uint64_t t_ns,
                       struct error *err) WARN_UNUSED;
bool store_phase_end(struct store *s, uint32_t phase, const char *why, uint64_t t_ns,
                     struct error *err) WARN_UNUSED;
/* An event of the run's story (await met or late, fault step armed with its drawn endpoints, ...):
 * JSON. */
bool store_event(struct store *s, uint32_t phase, const char *what, const char *json, uint64_t t_ns,
                 struct error *err) WARN_UNUSED;
/* The same. NULL, which is what json_pack makes of what is no UTF-8, is {}. */
bool store_event_json(struct store *s, uint32_t phase, const char *what, json_t *take_json,
                      uint64_t t_ns, struct error *err) WARN_UNUSED;
/* Kind 69: how the run ended ("complete", "aborted: ..."). Without it every verdict is
 * INCONCLUSIVE. */
bool store_end(struct store *s, const char *how, const char *json, uint64_t t_ns,
               struct error *err) WARN_UNUSED;

#endif
