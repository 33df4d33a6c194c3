#include "kube/swap.h"

#include "kube/body.h"
#include "kube/incumbent.h"

#include <string.h>

enum { SWAP_EDIT, SWAP_REVERT, SWAP_SEE, SWAP_OVER };

static void end(struct swap *s)
{
    s->doing = SWAP_OVER;
    s->over = true;
}

/* The next edit; after the last of them what they did is looked at. */
static void begin_edit(struct swap *s)
{
    if (s->at == s->service_count) {
        s->doing = SWAP_SEE;
        s->at = 0;
        return;
    }
    const struct objects_service *one = &s->services[s->at];
    s->editing =
        revert_edit_patch(&s->edit, s->journal, gvr_get(GVR_SERVICES), s->run->namespace, one->name,
                          "/spec/selector", objects_selector(s->run, one), &s->err);
    if (!s->editing)
        end(s);
}

static void end_edit(struct swap *s)
{
    bool made = s->edit.made;
    if (!made)
        s->err = s->edit.err;
    revert_edit_release(&s->edit);
    s->editing = false;
    s->at++;
    if (made)
        begin_edit(s);
    else
        end(s);
}

static void end_revert(struct swap *s)
{
    if (s->all.diverged + s->all.failed > 0)
        s->err = s->all.err;
    revert_all_release(&s->all);
    s->reverting = false;
    s->doing = SWAP_SEE;
    s->at = 0;
    if (s->err.kind != ERROR_NONE)
        end(s);
}

static void see(struct swap *s, uint64_t now_ns, struct chore_step *ret)
{
    if (s->until_ns == 0)
        s->until_ns = now_ns + SWAP_SEEN_WITHIN_NS;
    if (s->at == s->service_count) {
        s->done = true;
        end(s);
    } else if (now_ns >= s->until_ns) {
        error_set(&s->err, ERROR_PEER,
                  "the EndpointSlices of Service %s do not show its %s in %d s",
                  s->services[s->at].name, s->back ? "own pods again" : "new selector",
                  (int)(SWAP_SEEN_WITHIN_NS / 1000000000));
        end(s);
    }
    ret->want = s->over ? CHORE_OVER : now_ns < s->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = s->wake_ns;
    if (ret->want != CHORE_CALL)
        return;
    snprintf(s->selector, sizeof(s->selector), "kubernetes.io/service-name=%s",
             s->services[s->at].name);
    ret->request = (struct api_request){.verb = API_LIST,
                                        .gvr = gvr_get(GVR_ENDPOINTSLICES),
                                        .namespace = s->run->namespace,
                                        .selector = s->selector,
                                        .urgent = true};
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct swap *s = (struct swap *)c;
    while (s->doing == SWAP_EDIT && s->editing) {
        s->edit.chore.next(&s->edit.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        end_edit(s);
    }
    if (s->doing == SWAP_REVERT) {
        s->all.chore.next(&s->all.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        end_revert(s);
    }
    ret->want = CHORE_OVER;
    if (s->doing == SWAP_SEE)
        see(s, now_ns, ret);
}

static void saw(struct swap *s, uint64_t now_ns, const struct api_answer *answer)
{
    const json_t *items = json_object_get(answer->body, "items");
    uint32_t ours = incumbent_count_ready(items, true),
             others = incumbent_count_ready(items, false);
    bool shows = s->back ? ours == 0 : others == 0 && ours >= s->services[s->at].endpoints;
    s->wake_ns = 0;
    if (answer->outcome == API_DONE && shows) {
        s->at++;
    } else if (answer->outcome == API_DONE || api_is_passing(answer->outcome)) {
        s->wake_ns = now_ns + SWAP_POLL_NS;
    } else {
        api_answer_error(answer, &s->err);
        end(s);
    }
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct swap *s = (struct swap *)c;
    if (s->doing == SWAP_EDIT)
        s->edit.chore.answer(&s->edit.chore, now_ns, answer);
    else if (s->doing == SWAP_REVERT)
        s->all.chore.answer(&s->all.chore, now_ns, answer);
    else
        saw(s, now_ns, answer);
}

bool swap_init(struct swap *s, const struct objects_run *run,
               const struct objects_service *services, size_t service_count, const json_t *anchor,
               struct error *err)
{
    *s = (struct swap){.chore = {next, answered},
                       .run = run,
                       .services = services,
                       .service_count = service_count};
    if (!revert_journal_read(anchor, &s->journal, err))
        return false;
    begin_edit(s);
    return true;
}

void swap_again(struct swap *s, const struct objects_service *services, size_t service_count)
{
    s->services = services;
    s->service_count = service_count;
    s->over = s->done = s->back = false;
    s->err = (struct error){0};
    s->until_ns = s->wake_ns = 0;
    s->at = 0;
    s->doing = SWAP_EDIT;
    begin_edit(s);
}

void swap_back(struct swap *s)
{
    INVARIANT(!s->reverting);
    if (s->editing)
        revert_edit_release(&s->edit);
    s->editing = false;
    s->over = s->done = false;
    s->back = true;
    s->err = (struct error){0};
    s->until_ns = s->wake_ns = 0;
    revert_all_init(&s->all, s->journal);
    s->reverting = true;
    s->doing = SWAP_REVERT;
}

void swap_release(struct swap *s)
{
    if (s->editing)
        revert_edit_release(&s->edit);
    if (s->reverting)
        revert_all_release(&s->all);
    revert_journal_free(s->journal);
    *s = (struct swap){.over = true};
}
