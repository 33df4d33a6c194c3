#ifndef FAULTS_HOOK_H
#define FAULTS_HOOK_H

/* fault.hook (scenario-language.md section 4) without its language: the row, the text that a plan
 * carries, and the table through which whoever arms faults is given a runtime. The runtime is above
 * us (lua/hook_engine.h); net and faults never include Lua. */

#include "faults/fault.h"

/* One state of a runtime, with one hook in it. */
struct hook;

/* A line that a hook logged, or its error. */
struct hook_line {
    uint64_t at_ns;
    const char *source, *text; /* "file:line"; borrowed */
    uint32_t count;            /* how many lines this one stands for */
    uint8_t level;             /* enum hook_level of journal/record.h */
};

/* What a runtime needs of the process that it runs in; copied. */
struct hook_host {
    uint64_t begun_ns;     /* clock.now() counts from here */
    uint64_t hold_most_ns; /* guard.limits.delay */
    const char *service;   /* whose endpoints: "payments"; outlives the hook */
    uint16_t fault;        /* number in the run */
    void (*report)(void *cookie, uint16_t fault, const struct hook_line *line); /* may be NULL */
    void *cookie;
};
/* Of guard.limits.delay, when nobody said another. */
#define HOOK_HOLD_MOST_NS (UINT64_C(30) * 1000000000)
#define HOOK_FILE_MOST_BYTES ((size_t)64 * 1024)

struct hook_source {
    const char *path, *text; /* text NULL: the file at path is read */
    const char *with_json;   /* a JSON object; NULL: nothing is given */
};

/* Each moment may be asked with a hook that an error has switched off: it passes. */
#define HOOK_STATE_BYTES 128
struct hook_engine {
    /* Loads and checks. The error has the line of the hook's file, or, of what is wrong with
     * `with`, none. ${from->path} must outlive the error. */
    bool (*open)(const struct hook_source *from, const struct hook_host *host, struct hook **ret,
                 struct error *err);
    void (*close)(struct hook *hook);
    uint32_t (*moments)(const struct hook *hook);
    struct answer (*on_accept)(struct hook *hook, struct filter_context *at,
                               const struct accept_view *seen);
    struct answer (*on_handshake)(struct hook *hook, struct filter_context *at,
                                  const struct handshake_view *seen);
    struct answer (*on_head)(struct hook *hook, struct filter_context *at,
                             const struct head_view *seen);
    struct answer (*on_data)(struct hook *hook, struct filter_context *at,
                             const struct data_view *seen);
    struct answer (*on_end)(struct hook *hook, struct filter_context *at,
                            const struct end_view *seen);
    void (*on_close)(struct hook *hook, struct filter_context *at);
};

/* Before fault_use_slot, for any fault: one that is no hook, or open already, is left alone. Slots
 * made of the use share its state. ${engine} NULL: an error. */
bool hook_use_open(struct fault_use *use, const struct hook_engine *engine,
                   const struct hook_host *host, struct error *err) WARN_UNUSED;
bool hook_use_is_open(const struct fault_use *use);
/* After the last call under a slot of it. */
void hook_use_close(struct fault_use *use);

#endif
