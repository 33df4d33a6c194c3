#include "kube/lease.h"

#include "base/clock.h"
#include "kube/objects.h"

#include <time.h>

enum doing { CREATE, LOOK, TAKE, READ_BACK, RENEW, CHECK, LEAVE, LEAVE_LOOK, OVER };

static struct lease *of(struct chore *c)
{
    return (struct lease *)(void *)c;
}

/* --- what is written --- */

/* Microseconds, and never twice the same: with an unchanged body a PUT would not move the
 * resourceVersion (trap 3). */
static const char *micro_time(struct lease *l, char *to, size_t size)
{
    uint64_t us = l->options.wall_ns() / NS_PER_US;
    if (us <= l->wall_last_us)
        us = l->wall_last_us + 1;
    l->wall_last_us = us;
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    char whole[32];
    gmtime_r(&seconds, &tm);
    strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(to, size, "%s.%06uZ", whole, (unsigned)(us % 1000000));
    return to;
}

static void write_body(struct lease *l, bool acquires)
{
    char now[40];
    micro_time(l, now, sizeof(now));
    if (acquires)
        snprintf(l->acquired, sizeof(l->acquired), "%s", now);
    json_decref(l->body);
    l->body = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:s, s:i, s:s, s:s, s:I}}",
                        "apiVersion", "coordination.k8s.io/v1", "kind", "Lease", "metadata", "name",
                        l->name, "namespace", l->options.namespace, "labels", OBJECTS_RUN_LABEL,
                        l->options.run, "spec", "holderIdentity", l->holder, "leaseDurationSeconds",
                        LEASE_DURATION_S, "acquireTime", l->acquired, "renewTime", now,
                        "leaseTransitions", (json_int_t)l->transitions);
    INVARIANT(l->body != NULL);
    if (*l->version != '\0')
        json_object_set_new(json_object_get(l->body, "metadata"), "resourceVersion",
                            json_string(l->version));
}

static void call(struct lease *l, uint64_t now_ns, enum api_verb verb, struct chore_step *ret)
{
    ret->want = CHORE_CALL;
    ret->request = (struct api_request){.verb = verb,
                                        .gvr = gvr_get(GVR_LEASES),
                                        .namespace = l->options.namespace,
                                        .name = verb == API_POST ? NULL : l->name,
                                        .body = verb == API_GET ? NULL : l->body,
                                        .urgent = true,
                                        /* A renewal has a rule of its own: again in a second. */
                                        .once = l->doing == RENEW || l->doing == CHECK};
    l->sent_ns = now_ns;
}

/* Between two calls only. One that was lost, or whose first call was cut off, may be ours still,
 * and then must not stay. */
static void begin_leaving(struct lease *l)
{
    bool ended = l->state == LEASE_RELEASED || l->state == LEASE_REFUSED;
    if (!l->leave || l->doing == LEAVE || l->doing == LEAVE_LOOK || ended)
        return;
    if (l->sent_ns == 0)
        l->state = LEASE_RELEASED;
    l->doing = l->state == LEASE_RELEASED ? OVER : LEAVE_LOOK;
    l->wake_ns = 0;
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct lease *l = of(c);
    lease_check(l, now_ns);
    begin_leaving(l);
    if (l->doing == OVER) {
        ret->want = CHORE_OVER;
        return;
    }
    if (now_ns < l->wake_ns) {
        ret->want = CHORE_WAIT;
        ret->wake_ns = l->wake_ns;
        return;
    }
    switch ((enum doing)l->doing) {
    case CREATE:
        *l->version = '\0';
        write_body(l, true);
        call(l, now_ns, API_POST, ret);
        return;
    case TAKE:
        write_body(l, true);
        call(l, now_ns, API_PUT, ret);
        return;
    case RENEW:
        write_body(l, false);
        call(l, now_ns, API_PUT, ret);
        return;
    case LOOK:
    case READ_BACK:
    case CHECK:
    case LEAVE_LOOK:
        call(l, now_ns, API_GET, ret);
        return;
    case LEAVE:
        call(l, now_ns, API_DELETE, ret);
        ret->request.body = NULL;
        ret->request.uid = l->uid;
        ret->request.version = l->version;
        return;
    case OVER:
        break;
    }
    UNREACHABLE();
}

/* --- what is read --- */

struct seen {
    char holder[128], version[40], uid[64];
    uint64_t transitions;
};

static void keep(char *to, size_t size, const json_t *text)
{
    const char *found = json_string_value(text);
    snprintf(to, size, "%s", found != NULL ? found : "");
}

static struct seen read_seen(const json_t *body)
{
    struct seen s;
    const json_t *meta = json_object_get(body, "metadata"), *spec = json_object_get(body, "spec");
    json_int_t transitions = json_integer_value(json_object_get(spec, "leaseTransitions"));
    keep(s.holder, sizeof(s.holder), json_object_get(spec, "holderIdentity"));
    keep(s.version, sizeof(s.version), json_object_get(meta, "resourceVersion"));
    keep(s.uid, sizeof(s.uid), json_object_get(meta, "uid"));
    s.transitions = transitions > 0 ? (uint64_t)transitions : 0;
    return s;
}

static void go(struct lease *l, enum doing doing, uint64_t wake_ns)
{
    l->doing = (int)doing;
    l->wake_ns = wake_ns;
}

static void refuse(struct lease *l, const struct api_answer *answer)
{
    l->state = LEASE_REFUSED;
    error_set(&l->err, ERROR_PEER, "%s", answer->sentence);
    go(l, OVER, 0);
}

static void lose(struct lease *l, const char *why, const char *who)
{
    l->state = LEASE_LOST;
    error_set(&l->err, ERROR_PEER, "the Lease %s of %s %s%s", l->name, l->options.namespace, why,
              who);
    go(l, OVER, 0);
}

static void hold_it(struct lease *l, const struct seen *s, uint64_t now_ns)
{
    l->state = LEASE_HELD;
    l->transitions = s->transitions;
    snprintf(l->version, sizeof(l->version), "%s", s->version);
    snprintf(l->uid, sizeof(l->uid), "%s", s->uid);
    /* From when it was asked for: the answer may have taken its time. */
    l->renewed_ns = l->sent_ns;
    go(l, RENEW, l->sent_ns + LEASE_RENEW_NS > now_ns ? l->sent_ns + LEASE_RENEW_NS : now_ns);
}

static void take(struct lease *l, const struct seen *s)
{
    snprintf(l->version, sizeof(l->version), "%s", s->version);
    snprintf(l->former, sizeof(l->former), "%s", s->holder);
    l->transitions = s->transitions + 1;
    go(l, TAKE, 0);
}

/* Somebody has it, or had it: his silence is counted by our own clock. */
static void look_at(struct lease *l, const struct seen *s, uint64_t now_ns)
{
    snprintf(l->other, sizeof(l->other), "%s", s->holder);
    if (*s->holder == '\0' || (l->options.again && lease_is_of(s->holder, l->options.run))) {
        take(l, s);
        return;
    }
    if (!l->options.wait) {
        int run = (int)strcspn(s->holder, "/");
        l->state = LEASE_REFUSED;
        error_set(&l->err, ERROR_PEER,
                  "%s of %s is in the hands of run %.*s (Lease %s): meshproof recover --on "
                  "kubernetes -n %s --run %.*s, if that is dead",
                  l->options.service, l->options.namespace, run, s->holder, l->name,
                  l->options.namespace, run, s->holder);
        go(l, OVER, 0);
        return;
    }
    if (l->state != LEASE_WAITING || strcmp(l->seen_version, s->version) != 0) {
        l->seen_ns = now_ns;
        snprintf(l->seen_version, sizeof(l->seen_version), "%s", s->version);
    }
    l->state = LEASE_WAITING;
    if (now_ns - l->seen_ns >= LEASE_TAKE_NS)
        take(l, s);
    else
        go(l, LOOK, now_ns + NS_PER_S);
}

static void asked(struct lease *l, uint64_t now_ns, const struct api_answer *a)
{
    struct seen s = read_seen(a->body);
    if (a->outcome == API_NOT_FOUND && l->doing == LOOK) {
        go(l, CREATE, 0);
    } else if (l->doing == CREATE && (a->outcome == API_EXISTS || a->outcome == API_CONFLICT)) {
        go(l, LOOK, 0);
    } else if (l->doing == TAKE && (a->outcome == API_CONFLICT || a->outcome == API_NOT_FOUND)) {
        /* Another was faster, or it is gone. */
        *l->former = '\0';
        l->state = LEASE_ASKING;
        go(l, LOOK, 0);
    } else if (a->outcome != API_DONE) {
        refuse(l, a);
    } else if (strcmp(s.holder, l->holder) == 0) {
        if (l->doing == TAKE)
            go(l, READ_BACK, 0);
        else
            hold_it(l, &s, now_ns);
    } else {
        look_at(l, &s, now_ns);
    }
}

/* While it is ours. */
static void renewed(struct lease *l, uint64_t now_ns, const struct api_answer *a)
{
    struct seen s = read_seen(a->body);
    lease_check(l, now_ns);
    if (l->state != LEASE_HELD)
        return;
    if (a->outcome == API_DONE && strcmp(s.holder, l->holder) != 0) {
        lose(l, "was taken over by ", s.holder);
    } else if (a->outcome == API_DONE && l->doing == RENEW) {
        hold_it(l, &s, now_ns);
    } else if (a->outcome == API_DONE) {
        /* Ours still: somebody has put a label on it, or our own renewal's answer was lost. */
        snprintf(l->version, sizeof(l->version), "%s", s.version);
        go(l, RENEW, 0);
    } else if (a->outcome == API_NOT_FOUND) {
        lose(l, "was deleted", "");
    } else if (a->outcome == API_CONFLICT) {
        go(l, CHECK, 0);
    } else {
        go(l, RENEW, now_ns + NS_PER_S);
    }
}

static void left(struct lease *l, const struct api_answer *a)
{
    struct seen s = read_seen(a->body);
    bool ours =
        l->doing == LEAVE_LOOK && a->outcome == API_DONE && strcmp(s.holder, l->holder) == 0;
    if (l->doing == LEAVE && a->outcome == API_CONFLICT) {
        go(l, LEAVE_LOOK, 0);
    } else if (ours) {
        snprintf(l->version, sizeof(l->version), "%s", s.version);
        snprintf(l->uid, sizeof(l->uid), "%s", s.uid);
        go(l, LEAVE, 0);
    } else {
        bool gone = a->outcome == API_DONE || a->outcome == API_NOT_FOUND;
        l->state = gone ? LEASE_RELEASED : LEASE_REFUSED;
        if (!gone) {
            l->err = (struct error){0}; /* of a loss before */
            error_set(&l->err, ERROR_PEER, "the Lease %s of %s could not be deleted: %s", l->name,
                      l->options.namespace, a->sentence);
        }
        go(l, OVER, 0);
    }
}

static void answer(struct chore *c, uint64_t now_ns, const struct api_answer *a)
{
    struct lease *l = of(c);
    switch ((enum doing)l->doing) {
    case CREATE:
    case LOOK:
    case TAKE:
    case READ_BACK:
        asked(l, now_ns, a);
        return;
    case RENEW:
    case CHECK:
        renewed(l, now_ns, a);
        return;
    case LEAVE:
    case LEAVE_LOOK:
        left(l, a);
        return;
    case OVER: /* lost while the renewal was under way */
        return;
    }
    UNREACHABLE();
}

/* --- its owner's side --- */

void lease_init(struct lease *l, const struct lease_options *options)
{
    *l = (struct lease){.chore = {next, answer}, .options = *options};
    if (l->options.wall_ns == NULL)
        l->options.wall_ns = clock_wall_ns;
    lease_name(options->service, 0, l->name, sizeof(l->name));
    snprintf(l->holder, sizeof(l->holder), "%.16s/%.100s", options->run, options->pod_uid);
}

void lease_release(struct lease *l)
{
    json_decref(l->body);
    l->body = NULL;
}

void lease_leave(struct lease *l)
{
    l->leave = true;
}

uint64_t lease_lost_at_ns(const struct lease *l)
{
    return l->state == LEASE_HELD ? l->renewed_ns + LEASE_LOST_NS : UINT64_MAX;
}

void lease_check(struct lease *l, uint64_t now_ns)
{
    if (now_ns >= lease_lost_at_ns(l))
        lose(l, "could not be renewed for 10 s", "");
}

bool lease_name(const char *services, size_t at, char *to, size_t size)
{
    for (; at > 0 && services != NULL; at--) {
        services = strchr(services, ',');
        services = services != NULL ? services + 1 : NULL;
    }
    if (services == NULL || *services == '\0')
        return false;
    snprintf(to, size, LEASE_PREFIX "%.*s", (int)strcspn(services, ","), services);
    return true;
}

bool lease_is_of(const char *holder, const char *run)
{
    size_t length = strlen(run);
    return strncmp(holder, run, length) == 0 && holder[length] == '/';
}
