/* tls.surface[x] (spec/verifier.md 3.6): what the caller gets when a handshake is refused: as many
 * tries as the policy has for that class of refusal, and the mesh's own 503 (502 of Linkerd) at the
 * end, never a 200 or a 4xx. Who refuses and the version of TLS decide the class: F (the mesh
 * refuses our leaf; or we its leaf in TLS 1.2) is a connect failure; C (we refuse its leaf in TLS
 * 1.3) is the end of a connection, which only resets' tokens retry. Judged on requests that were
 * alone: one connection may fail several that wait for it (tls-measured.md 5). */
#include "verify/claims.h"
#include "verify/handshake.h"

#include "base/clock.h"

#define LEAST 5
#define ALONE_BEFORE_NS (50 * NS_PER_MS)
#define ALONE_AFTER_NS (5 * NS_PER_MS)
#define TLS_1_3 0x0304

enum wrong_how { SURFACE_RIGHT, SURFACE_MORE, SURFACE_FEWER, SURFACE_STATUS, SURFACE_HIDDEN };

struct surface {
    enum shown x;
    uint64_t judged, wrong, alone;
    enum wrong_how how; /* of the first that was wrong */
    uint64_t seen, wanted;
    uint32_t status;
    bool terminated; /* class C */
};

/* The handshakes of one request that was alone. */
struct own {
    uint64_t refused, accepted;
    bool terminated, mixed;
};

static bool is_alone(const struct window *w, uint32_t index)
{
    const struct track *t = w->track;
    const struct request *r = &t->requests[index];
    uint64_t from = r->start_ns > ALONE_BEFORE_NS ? r->start_ns - ALONE_BEFORE_NS : 0;
    if (r->done_ns == 0)
        return false;
    for (uint32_t i = index; i > 0; i--) {
        const struct request *before = &t->requests[i - 1];
        if (before->done_ns == 0 || before->done_ns > from)
            return false;
        /* Older ones may last longer, but not for ever: the ones of a minute before. */
        if (before->start_ns + 60 * NS_PER_S < from)
            break;
    }
    return index + 1 == t->request_count ||
           t->requests[index + 1].start_ns > r->done_ns + ALONE_AFTER_NS;
}

static bool is_of(enum shown x, const struct shake *h)
{
    if (h->shown == x)
        return true;
    /* Our own refusal of a leaf of a root that we do not trust (a declared skew). */
    return x == SHOWN_UNKNOWN_ROOT && h->shown == SHOWN_GOOD && h->fits == SURE_NO && h->refused;
}

static struct own own_of(const struct shakes *s, enum shown x, const struct request *r)
{
    struct own own = {0};
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        if (h->r->at + ALONE_AFTER_NS < r->start_ns || h->r->at > r->done_ns + ALONE_AFTER_NS)
            continue;
        bool refused = h->refused || (h->ended && h->full);
        own.accepted += h->accepted;
        own.refused += refused && is_of(x, h);
        own.mixed = own.mixed || (refused && !is_of(x, h)) || h->shown == SHOWN_DISTURBED;
        bool ours = h->r->alert_out != 0 || h->r->result == HANDSHAKE_REFUSED_BY_US;
        own.terminated = own.terminated || (refused && ours && h->r->version == TLS_1_3);
    }
    return own;
}

/* Tries that the policy has for a refusal of that class. */
static uint64_t tries_of(const struct edge_policy *edge, bool terminated)
{
    uint32_t listed = RETRY_5XX | RETRY_RESET | RETRY_GATEWAY_ERROR;
    bool again;
    if (edge->flavour == FLAVOUR_LINKERD)
        again = retry_rule_covers(edge, CAUSE_STATUS, 502);
    else
        again = (edge->retry.on & (terminated ? listed : listed | RETRY_CONNECT_FAILURE)) != 0;
    return 1 + (again && edge->retry.attempts.set ? edge->retry.attempts.number : 0);
}

static bool host_is_out(const struct window *w, const struct request *r)
{
    const struct track *t = w->track;
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].begin_ns < r->done_ns &&
            (t->silences[i].after == TRACK_NONE || t->silences[i].end_ns > r->start_ns))
            return true;
    return false;
}

static enum wrong_how how_wrong(const struct window *w, const struct request *r,
                                const struct own *own, uint64_t most)
{
    bool linkerd = w->policy->flavour == FLAVOUR_LINKERD;
    uint32_t local = linkerd ? 502 : 503;
    bool served = own->accepted > 0 || r->seen > 0;
    if (own->refused > most)
        return SURFACE_MORE;
    /* After the last try that the policy has, no other may have served it. */
    if (served)
        return own->refused >= most ? SURFACE_HIDDEN : SURFACE_RIGHT;
    if (own->refused < most)
        return window_timer_ended(w, r, true) ? SURFACE_RIGHT : SURFACE_FEWER;
    return r->r->end == END_COMPLETE && r->r->status != local ? SURFACE_STATUS : SURFACE_RIGHT;
}

static void look(const struct shakes *s, const struct window *w, uint32_t index, struct surface *f,
                 struct verdict *ret)
{
    const struct request *r = &w->track->requests[index];
    if (!window_has(w, r) || !is_alone(w, index))
        return;
    f->alone++;
    struct own own = own_of(s, f->x, r);
    /* "no healthy upstream" is an ejection's word, and a host that is out makes other tries. */
    if (own.refused == 0 || own.mixed || r->r->body_class == BODY_NO_HEALTHY || host_is_out(w, r))
        return;
    uint64_t most = tries_of(w->policy, own.terminated);
    enum wrong_how how = how_wrong(w, r, &own, most);
    f->judged++;
    if (how == SURFACE_RIGHT)
        return;
    window_witness(ret, r, r->start_ns);
    if (f->wrong++ > 0)
        return;
    f->how = how;
    f->seen = own.refused;
    f->wanted = most;
    f->status = r->r->status;
    f->terminated = own.terminated;
}

static const char *say(const struct surface *f, struct arena *arena)
{
    unsigned long long seen = f->seen, wanted = f->wanted;
    const char *class =
        f->terminated ? "a connection that we end in TLS 1.3" : "a connection that cannot be made";
    switch (f->how) {
    case SURFACE_MORE:
    case SURFACE_HIDDEN:
        return arena_printf(arena,
                            "%s is tried %llu times by the policy; a retry more hid it "
                            "(%llu refused, the caller got %u)",
                            class, wanted, seen, f->status);
    case SURFACE_FEWER:
        return arena_printf(arena,
                            "%s is tried %llu times by the policy; it was tried %llu times, "
                            "and the caller got %u",
                            class, wanted, seen, f->status);
    case SURFACE_STATUS:
        return arena_printf(arena, "the caller got %u after %llu refusals", f->status, seen);
    case SURFACE_RIGHT:
        break;
    }
    return "";
}

/* Somebody asked for requests one at a time; under load only handshakes are judged. */
static bool sends_alone(const struct window *w)
{
    const struct load_plan *loads = w->phase != NULL && w->phase->loads != NULL ? w->phase->loads
                                    : w->scenario == NULL                       ? NULL
                                                          : w->scenario->loads;
    size_t count = w->phase != NULL && w->phase->loads != NULL ? w->phase->load_count
                   : w->scenario == NULL                       ? 0
                                                               : w->scenario->load_count;
    return count == 1 && loads[0].closed && loads[0].users == 1 &&
           loads[0].think_ns >= ALONE_BEFORE_NS;
}

static bool shows(const struct shakes *s, const struct window *w, enum shown x)
{
    for (size_t i = 0; i < s->count; i++)
        if (shake_is_asked(w, &s->at[i]) && is_of(x, &s->at[i]))
            return true;
    return false;
}

static void judge(enum shown x, const struct edge_policy *edge, const struct window *w,
                  struct arena *arena, struct verdict *ret)
{
    struct shakes s;
    struct surface f = {.x = x};
    shakes_init(&s, w);
    ret->unit = "requests that met a refused handshake alone";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, &edge->retry.conditions, arena, "a refused handshake is %s",
                   tries_of(edge, false) > 1 ? "retried as a connect failure, then told"
                                             : "told to the caller");
    bool lacks = shakes_lack(&s, w, ret, arena), shown = shows(&s, w, x);
    for (uint32_t i = w->from; !lacks && i < w->to; i++)
        look(&s, w, i, &f, ret);
    shakes_release(&s);
    if (lacks)
        return;
    ret->seen = ret->eligible = f.judged;
    ret->wrong = f.wrong;
    if (f.wrong > 0) {
        verdict_fail(ret, arena,
                     "%llu of %llu requests whose handshakes were refused were not "
                     "answered as the policy says: %s%s",
                     (unsigned long long)f.wrong, (unsigned long long)f.judged, say(&f, arena),
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the request was alone";
    } else if (!shown) {
        verdict_nothing(ret, arena, "nobody showed the mesh %s here", shown_texts[x]);
    } else if (f.judged < ret->needed && !sends_alone(w)) {
        verdict_nothing(ret, arena,
                        "no request was alone: under load handshakes are judged, not "
                        "requests");
    } else if (f.judged < ret->needed) {
        window_too_few(w, ret, arena, f.judged, ret->needed, ret->unit);
    } else {
        verdict_pass(ret, arena,
                     "%llu requests whose handshakes were refused were tried and "
                     "answered as the policy says",
                     (unsigned long long)f.judged);
        ret->certain = verdict_excludes(f.judged, arena);
    }
}

#define SURFACE(name, because, shown_) \
    static void judge_##name(const struct edge_policy *edge, const struct window *w, \
                             struct arena *arena, struct verdict *ret) \
    { \
        judge(shown_, edge, w, arena, ret); \
    } \
    const struct claim_type claim_tls_surface_##name = { \
        .id = "tls.surface[" #name "]", \
        .word = "refused", \
        .only = because, \
        .help = "what the caller gets of a refused handshake: " #name, \
        .class = CLAIM_DETERMINISTIC, \
        .applies = shakes_apply, \
        .judge = judge_##name, \
    };
SURFACE(expired, "expired", SHOWN_EXPIRED)
SURFACE(not_yet_valid, "not_yet_valid", SHOWN_NOT_YET_VALID)
SURFACE(wrong_san, "wrong_identity", SHOWN_WRONG_SAN)
SURFACE(wrong_trust_domain, "wrong_identity", SHOWN_WRONG_TRUST_DOMAIN)
SURFACE(unknown_root, "unknown_root", SHOWN_UNKNOWN_ROOT)
SURFACE(missing_intermediate, "missing_intermediate", SHOWN_MISSING_INTERMEDIATE)
SURFACE(samename_root, "unknown_root", SHOWN_SAMENAME_ROOT)
