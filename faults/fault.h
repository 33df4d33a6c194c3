#ifndef FAULTS_FAULT_H
#define FAULTS_FAULT_H

/* A fault is one file and one line in faults.def. A stream fault decides (net/stream.h): a pure
 * function of its parameters, of what is seen, of now and of keyed random numbers. A world fault
 * acts outside the stream; `refuse` is one whose world is the proxy's own listener. One row of a
 * parameter table gives the Lua check,
 * --help, the editor types, the JSON form and the README table. */

#include "base/param.h"
#include "net/chain.h"
#include "net/proxy.h"

#include <jansson.h>

/* What the run itself does outside its proxies, promised in the undo ledger (engine/walk_world.c);
 * the parameters of each kind are read by faults/process.h, netem.h and control_plane_cut.h. */
enum world_kind {
    WORLD_NONE,
    WORLD_KILL,
    WORLD_PAUSE,
    WORLD_RESTART,
    WORLD_NETEM, /* fault_netem, fault_partition */
    WORLD_CUT,   /* fault_control_plane_cut */
};

struct fault_type {
    const char *name, *help, *example; /* example: as in a suite, without `on` */
    const struct param *params;
    size_t param_count, params_bytes;
    bool (*check)(const void *params, struct error *err); /* NULL: nothing beyond the rows */
    enum existing existing;                               /* unless the suite says otherwise */
    const struct stream_filter *stream;                   /* NULL: a world fault */
    /* Of a world fault: how the proxies play it where the world cannot be touched; NULL: not. */
    const struct stream_filter *in_proxy;
    bool refuses; /* world: closes the endpoint's listener, which the proxy does itself */
    enum world_kind world;
    /* Of these parameters, where it depends on them (latency at connect: reset). NULL: ${existing}.
     */
    enum existing (*existing_for)(const void *params);
    /* Builds once, in the slot's arena, what every decision shares (a reply); fields beyond the
     * rows. May be NULL. */
    void (*prepare)(void *params, uint64_t seed, struct arena *arena);
    /* What it does in a few words ("abort 503"). NULL: its name. */
    void (*print)(const void *params, char *to, size_t size);
};

const struct fault_type *const *
fault_types(size_t *ret_count); /* in faults.def's order, sorted by name */
const struct fault_type *fault_type_find(const char *name);

/* The keys that every fault takes (scenario-language.md 1.5). */
struct fault_common {
    const char *on, *match_json, *to_end_of, *name, *note; /* match_json: the table as JSON text */
    uint64_t share_ppm, per, first, times, streak, ttl_ns, existing;
    const char *mode;
};
extern const struct param fault_common_params[];
extern const size_t fault_common_param_count;

/* A fault with its parameters, ready to be armed; all text and params live in one arena. */
struct fault_use {
    const struct fault_type *type;
    const struct stream_filter *stream; /* the type's, or its ${in_proxy} */
    void *params;
    struct fault_common common;
    struct match match;
    uint16_t id; /* number in the run, from 1 */
    struct source source;
};

/* From the keys of a plan's step (JSON object, values as a user writes them: strings with units,
 * counts as integers, lists, tables). Checks every rule of the language for this word (unknown key
 * with the nearest, missing key, world faults take no share, ...): the texts of
 * scenario-language.md 1.10. ${source} marks the error. Whether ${on} is a place, and that it is
 * there, is plan's check, which has its grammar. ${existing} of the common keys comes back
 * resolved by the type; first, times, streak and ttl_ns stay PARAM_UNSET when not given. */
bool fault_use_from_json(const char *word, const json_t *keys, struct source source,
                         struct arena *arena, struct fault_use *ret, struct error *err) WARN_UNUSED;
/* The proxies play it: partition where nothing is isolated. False: there is no such way. */
bool fault_use_in_proxy(struct fault_use *use) WARN_UNUSED;
bool match_from_json(const json_t *from, struct arena *arena, struct match *ret,
                     struct error *err) WARN_UNUSED;
/* Header fields of a UNIT_MAP's JSON text (NULL: none), in ${arena}; ${spare} more fit behind them.
 */
struct field *fault_fields(const char *json, size_t spare, struct arena *arena, size_t *ret_count);
/* The slot for a chain. Everything is copied into ${arena}, at most FAULT_SLOT_MOST_BYTES; ${times}
 * may be NULL. */
#define FAULT_SLOT_MOST_BYTES ((size_t)1280 * 1024)
void fault_use_slot(const struct fault_use *use, uint64_t seed, uint64_t expires_ns,
                    struct fire_budget *times, struct arena *arena, struct filter_slot *ret);
/* "abort 503", "latency +200ms": for reports and logs. */
const char *fault_use_print(const struct fault_use *use, char *to, size_t size);

#endif
