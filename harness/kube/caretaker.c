#include "kube/caretaker.h"

#include "kube/build.h"

#include <stdlib.h>
#include <string.h>

#define CARETAKER_LATE_NS (UINT64_C(5) * 1000000000)

enum { CARE_FIND, CARE_WATCH, CARE_TEARDOWN, CARE_UNLOCK, CARE_RESULT };

static void act(struct caretaker *c, const char *why)
{
    snprintf(c->why, sizeof(c->why), "%s", why);
    c->acting = true;
    c->doing = CARE_TEARDOWN;
    teardown_init(&c->teardown, c->run->namespace, c->run->run, TEARDOWN_BUDGET_NS);
    c->teardown.own_pod = c->pod;
}

static void write_result(struct caretaker *c)
{
    struct text how;
    text_init(&how, 2 * TEARDOWN_LEFT_MOST_BYTES);
    teardown_print(&c->teardown, &how);
    json_t *data = json_pack("{ss ss ss ss}", "run", c->run->run, "verdict", "INCONCLUSIVE", "why",
                             "conductor lost", "undone", text_get(&how));
    INVARIANT(data != NULL);
    text_release(&how);
    result_init(&c->result, c->run, data, true);
    c->have_result = true;
    c->doing = CARE_RESULT;
}

static uint64_t silence_of(const struct caretaker *c)
{
    if (c->leaving)
        return CARETAKER_LEAVING_NS;
    return c->heard ? CARETAKER_HEARD_NS : CARETAKER_SILENT_NS;
}

static void watch(struct caretaker *c, uint64_t now_ns, struct chore_step *ret)
{
    /* A wake that came late: this node slept, and perhaps the conductor's with it. */
    if (!c->begun || now_ns > c->wake_ns + CARETAKER_LATE_NS) {
        c->begun = true;
        c->seen_ns = c->looked_ns = c->wake_ns = now_ns;
    }
    if (c->looked_ns >= c->seen_ns + silence_of(c)) {
        act(c, c->heard ? "the conductor's channel has ended, and its Lease stands still"
                        : "the conductor's Lease stands still");
        return;
    }
    ret->want = now_ns < c->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = c->wake_ns;
    ret->request = (struct api_request){.verb = API_GET,
                                        .gvr = gvr_get(GVR_LEASES),
                                        .namespace = c->run->namespace,
                                        .name = c->lease};
}

/* Which services the run has: the first one's Lease stands for all. */
static void find(struct caretaker *c, uint64_t now_ns, struct chore_step *ret)
{
    ret->want = c->over ? CHORE_OVER : now_ns < c->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = c->wake_ns;
    ret->request = (struct api_request){.verb = API_GET,
                                        .gvr = gvr_get(GVR_CONFIGMAPS),
                                        .namespace = c->run->namespace,
                                        .name = c->anchor};
}

static void next(struct chore *chore, uint64_t now_ns, struct chore_step *ret)
{
    struct caretaker *c = (struct caretaker *)chore;
    if (c->doing == CARE_FIND)
        find(c, now_ns, ret);
    if (c->doing == CARE_WATCH)
        watch(c, now_ns, ret);
    if (c->doing == CARE_TEARDOWN) {
        c->teardown.chore.next(&c->teardown.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        unlock_init(&c->unlock, c->run->namespace, c->run->run, c->services);
        c->doing = CARE_UNLOCK;
    }
    if (c->doing == CARE_UNLOCK) {
        c->unlock.chore.next(&c->unlock.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        write_result(c);
    }
    if (c->doing == CARE_RESULT) {
        c->result.chore.next(&c->result.chore, now_ns, ret);
        c->over = ret->want == CHORE_OVER;
    }
}

static void take_lease(struct caretaker *c, uint64_t now_ns, const struct api_answer *answer)
{
    const json_t *meta = json_object_get(answer->body, "metadata");
    const json_t *spec = json_object_get(answer->body, "spec");
    const char *version = json_string_value(json_object_get(meta, "resourceVersion"));
    const char *holder = json_string_value(json_object_get(spec, "holderIdentity"));
    c->wake_ns = now_ns + CARETAKER_POLL_NS;
    if (answer->outcome != API_DONE && answer->outcome != API_NOT_FOUND)
        return; /* nothing was seen: neither life nor death */
    c->looked_ns = now_ns;
    bool ours = holder != NULL && lease_is_of(holder, c->run->run);
    if (answer->outcome == API_DONE && !ours && c->held) {
        act(c, "another run has taken the Lease");
        return;
    }
    if (version == NULL || strcmp(version, c->version) == 0)
        return;
    c->held = ours;
    snprintf(c->version, sizeof(c->version), "%s", version);
    c->seen_ns = now_ns;
}

static void take_anchor(struct caretaker *c, uint64_t now_ns, const struct api_answer *answer)
{
    const char *services = json_string_value(
        json_object_get(json_object_get(answer->body, "data"), BUILD_SERVICES_KEY));
    c->wake_ns = now_ns + CARETAKER_POLL_NS;
    if (answer->outcome == API_NOT_FOUND) {
        c->gone = c->over = true;
    } else if (answer->outcome == API_DONE && services != NULL &&
               lease_name(services, 0, c->lease, sizeof(c->lease))) {
        c->services = check_strdup(services);
        c->doing = CARE_WATCH;
        c->wake_ns = 0;
    } else if (!api_is_passing(answer->outcome)) {
        c->over = true;
        if (answer->outcome == API_DONE)
            error_set(&c->err, ERROR_PEER, "the anchor %s does not say which services the run has",
                      c->anchor);
        api_answer_error(answer, &c->err);
    }
}

static void answered(struct chore *chore, uint64_t now_ns, const struct api_answer *answer)
{
    struct caretaker *c = (struct caretaker *)chore;
    if (c->doing == CARE_FIND)
        take_anchor(c, now_ns, answer);
    else if (c->doing == CARE_TEARDOWN)
        c->teardown.chore.answer(&c->teardown.chore, now_ns, answer);
    else if (c->doing == CARE_UNLOCK)
        c->unlock.chore.answer(&c->unlock.chore, now_ns, answer);
    else if (c->doing == CARE_RESULT)
        c->result.chore.answer(&c->result.chore, now_ns, answer);
    else
        take_lease(c, now_ns, answer);
}

void caretaker_init(struct caretaker *c, const struct objects_run *run)
{
    *c = (struct caretaker){.chore = {next, answered}, .run = run};
    objects_name(run, NULL, 0, c->anchor, sizeof(c->anchor));
    objects_name(run, OBJECTS_GUARDIAN, 0, c->pod, sizeof(c->pod));
}

void caretaker_hear_end(struct caretaker *c)
{
    c->heard = true;
}

void caretaker_hear_goodbye(struct caretaker *c)
{
    c->leaving = true;
}

void caretaker_release(struct caretaker *c)
{
    if (c->acting)
        teardown_release(&c->teardown);
    if (c->have_result)
        result_release(&c->result);
    free(c->services);
}
