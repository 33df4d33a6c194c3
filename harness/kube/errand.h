#ifndef KUBE_ERRAND_H
#define KUBE_ERRAND_H

/* One chore on a loop of its own, while the Leases that are held go on being renewed: before the
 * conductor's loop is there, between its scenarios, and after its end. */

#include "kube/credentials.h"
#include "kube/lease.h"

struct errand {
    const struct credentials_options *credentials;
    const char *mode, *run;
    struct lease *leases;
    size_t lease_count; /* those of them that are to be kept meanwhile */
    void (*on_call)(void *cookie, const struct api_record *record);
    void *cookie;
    /* A signal ends it; else (the way back) only the third does. */
    bool hasty;
    bool deaf; /* another loop, which does not run now, has the signals */
};
enum errand_end { ERRAND_DONE, ERRAND_STOPPED, ERRAND_FAILED };
/* ERRAND_FAILED: there is no loop, or there are no credentials. A Lease that is lost meanwhile
 * stops a hasty one; its owner sees the state. */
enum errand_end errand_run(const struct errand *e, struct chore *chore,
                           struct error *err) WARN_UNUSED;

/* From here on SIGINT and SIGTERM are counted instead of ending the process, wherever no loop takes
 * them; errand_run sees those that came before. */
void errand_hold_signals(void);
void errand_let_signals(void);

#endif
