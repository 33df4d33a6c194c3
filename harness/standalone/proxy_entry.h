#ifndef STANDALONE_PROXY_ENTRY_H
#define STANDALONE_PROXY_ENTRY_H

/* One named proxy of a set: its net proxy while it is enabled, and the faults in force. Shared by
 * proxy_set's own files only. */

#include "standalone/proxy_set.h"
#include "standalone/proxy_spec.h"
#include "standalone/proxy_stats.h"

/* A net proxy whose calls may still go on, though its name may be somebody else's by now. */
struct leaving {
    struct proxy_set *set;
    struct leaving *next;
    struct proxy *proxy;
    struct proxy_stats *stats;
    struct filter_chain **chains;
    size_t chain_count;
    struct armed *gone;
    struct armed *faults[CHAIN_SLOTS_MOST]; /* that were in force, each held */
    uint64_t fired[CHAIN_SLOTS_MOST];       /* of which so much is in the stats */
    size_t fault_count;
    char *place; /* its faults are told disarmed in this name at its end; NULL: they were */
    uint16_t number, generation;
    struct loop_task drained;
};

struct entry {
    struct proxy_set *set;
    struct entry *next;
    char *name, *asked, *bound, *to; /* asked: listen as it was written */
    enum proxy_protocol protocol;
    bool enabled, refused;
    uint16_t number, generation;
    struct proxy *proxy; /* NULL: disabled, or it runs in the workers */
    int reserved_fd;     /* holds the address for the workers; -1: none */
    struct armed *faults[CHAIN_SLOTS_MOST];
    size_t fault_count;
    struct armed *gone;           /* calls under older chains may count on them */
    struct filter_chain **chains; /* each held once, while a call may be under it */
    size_t chain_count;
    struct hold expiry;
    struct proxy_stats *stats;
    struct proxy_tls tls;
    json_t *toxics; /* as they were given; NULL: none */
    struct toxic_list *toxic_list;
    uint32_t last_toxic;
};

struct proxy_set {
    struct loop *loop;
    struct proxy_set_config config;
    struct entry *first, *last;
    size_t count;
    struct leaving *leaving;
    uint16_t last_number, last_fault;
    uint64_t total_attempts;
    bool draining;
    struct loop_task drain_done;
    void (*on_drained)(void *cookie);
    void *drain_cookie;
    uint64_t begun_ns;
};

struct entry *entry_new(struct proxy_set *set, const struct proxy_spec *spec);
/* Its net proxy is not open any more. */
void entry_free(struct entry *e);
/* Opens what ${spec} asks for, as ${ret_proxy} or, where workers serve, as a reserved address;
 * ${ours}: the address is one that we had until now. */
bool entry_open(struct entry *e, const struct proxy_spec *spec, const char *listen, bool ours,
                struct proxy **ret_proxy, int *ret_fd, char **ret_bound,
                struct error *err) WARN_UNUSED;
/* Puts the faults in force, taking them out of ${faults}: equal ones stay as they are. */
bool entry_arm(struct entry *e, struct armed **faults, size_t count, struct error *err) WARN_UNUSED;
/* All of its faults again, on a net proxy that was just opened. */
bool entry_arm_again(struct entry *e, struct error *err) WARN_UNUSED;
/* Takes it out of ${from}. New connections of an open net proxy use what was read; those that are
 * open keep what they have. */
void entry_set_tls(struct entry *e, struct proxy_tls *from, bool just_opened);
/* Puts the toxics in force, on a net proxy that was just opened too; they were checked. */
void entry_set_toxics(struct entry *e, json_t *toxics);
/* Hands the net proxy over to the leaving: its calls end within ${within_ns}. ${for_good}: its
 * faults end with the last of them, and not now. */
void entry_close(struct entry *e, uint64_t within_ns, bool for_good);
json_t *entry_describe(const struct entry *e);
json_t *entry_stats(const struct entry *e);
/* Tells the journal what the endpoint's number stands for. */
void entry_note_opened(struct entry *e);
/* Loads the hook of a fault that has one, before it is armed; ${name}: the proxy's. */
bool proxy_hook_open(const struct proxy_set *set, const char *name, struct armed *f,
                     struct error *err) WARN_UNUSED;
struct entry *proxy_set_find(const struct proxy_set *s, const char *name);
/* A net proxy with nobody's name: it goes as soon as it can. */
void leaving_add(struct proxy_set *set, struct proxy *take_proxy, struct proxy_stats *take_stats,
                 const struct entry *faults_of, uint64_t within_ns);
/* Cuts what is left. Not in a callback of the loop. */
void leaving_free(struct leaving *l);
void proxy_set_settle(struct proxy_set *s); /* is the drain over? */

#endif
