#ifndef PLAN_CERT_STEP_H
#define PLAN_CERT_STEP_H

/* The steps cert.* of a scenario as steps of a rotation (certs/rotation.h): who its parties are,
 * and which of them a step names. What a party is given, and how, is the engine's part. */

#include "certs/rotation.h"
#include "plan/plan.h"

#define CERT_STEP_CLIENT "client" /* the mesh's own side: what its proxies present to endpoints */

enum cert_reconnect { CERT_RECONNECT_NONE, CERT_RECONNECT_DRAIN, CERT_RECONNECT_EACH };

struct cert_step {
    struct rotation_step step;
    size_t to[ROTATION_PARTIES_MOST]; /* what step.to points at */
    enum cert_reconnect reconnect;    /* of cert.rotate; else NONE */
};

/* The parties in their order: every endpoint of the lab as "payments/1", service by service, then
 * the mesh. False: the lab has more than a rotation may have. */
bool cert_parties(const struct scenario *s, struct rotation *r, struct error *err) WARN_UNUSED;
/* The number of an endpoint among them, and the mesh's. */
size_t cert_party(const struct scenario *s, size_t service, uint32_t endpoint);
size_t cert_party_client(const struct scenario *s);
/* Reads a step that plan_check has passed, to happen at ${at_ns}. Texts are the step's own; ${ret}
 * must not move, for it points into itself. */
bool cert_step_read(const struct scenario *s, const struct step *from, uint64_t at_ns,
                    struct cert_step *ret, struct error *err) WARN_UNUSED;
/* Calls ${each} for every cert step among ${steps} and in what they hold, with the time after its
 * phase began; ends at the first false. */
bool cert_steps_each(const struct step *steps, size_t count, uint64_t from_ns,
                     bool (*each)(void *cookie, const struct step *s, uint64_t from_ns),
                     void *cookie);
/* A time of a step's keys in nanoseconds; ${fallback_ns} where it is not written. */
uint64_t cert_step_time(const struct step *s, const char *key, uint64_t fallback_ns);

#endif
