#include "verify/handshake.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdlib.h>

#define MESH_PLACE "client"
/* A proxy's workers have what its main thread says that it has (measured: 1.4 to 5.8 ms). */
#define TAKEN_SLACK_NS (250 * NS_PER_MS)
#define SKEW_LEAST_NS (500 * NS_PER_MS)
/* How far a wall clock and a validity may be off (tls-measured.md 2.1; Linkerd allows 20 s). */
#define WALL_SLACK_S 1
#define WALL_SLACK_LINKERD_S 20

const char *const shown_texts[SHOWN_WRONG] = {
    [SHOWN_EXPIRED] = "an expired leaf",
    [SHOWN_NOT_YET_VALID] = "a leaf that is not valid yet",
    [SHOWN_WRONG_SAN] = "a leaf of another service account",
    [SHOWN_WRONG_TRUST_DOMAIN] = "a leaf of another trust domain",
    [SHOWN_UNKNOWN_ROOT] = "a leaf of a root that is not trusted",
    [SHOWN_MISSING_INTERMEDIATE] = "a leaf without its intermediate",
    [SHOWN_SAMENAME_ROOT] = "a leaf of a root with the trusted one's name",
    [SHOWN_NO_CERTIFICATE] = "no certificate",
};
const char *const shown_words[SHOWN_WRONG] = {
    [SHOWN_EXPIRED] = "expired",
    [SHOWN_NOT_YET_VALID] = "not_yet_valid",
    [SHOWN_WRONG_SAN] = "wrong_san",
    [SHOWN_WRONG_TRUST_DOMAIN] = "wrong_trust_domain",
    [SHOWN_UNKNOWN_ROOT] = "unknown_root",
    [SHOWN_MISSING_INTERMEDIATE] = "missing_intermediate",
    [SHOWN_SAMENAME_ROOT] = "samename_root",
    [SHOWN_NO_CERTIFICATE] = "no_certificate",
};

const char *step_text(const struct step *s, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(s->keys, key));
    return text == NULL ? fallback : text;
}

PRINTF_LIST(3)
static const char *printed(struct arena *arena, char *room, const char *format, va_list arguments)
{
    vsnprintf(room, 512, format, arguments);
    return arena_strdup(arena, room);
}

void verdict_nothing(struct verdict *v, struct arena *arena, const char *format, ...)
{
    char room[512];
    va_list arguments;
    va_start(arguments, format);
    v->kind = VERDICT_NOT_APPLICABLE;
    v->why = WHY_NONE;
    v->text = printed(arena, room, format, arguments);
    va_end(arguments);
}

struct bytes shake_root(const char *serialised)
{
    struct bytes text = bytes_of(serialised);
    if (!bytes_starts(text, BYTES("CN=")))
        return (struct bytes){0};
    struct bytes name = {text.at + 3, text.len - 3};
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == ',' || name.at[i] == '+' || name.at[i] == '#') {
            name.len = i;
            break;
        }
    }
    return name;
}

/* ---- what the steps have changed ---- */

static bool is_ours(const struct window *w, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(w->journal, proc);
    return p != NULL && p->arm != NULL && strcmp(p->arm, w->track->arm) == 0;
}

static bool is_service(const struct window *w, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(w->journal, proc);
    return p != NULL && p->service != NULL && strcmp(p->service, w->track->service) == 0;
}

/* The mesh has a proxy a caller, and each tells when it took its files. */
static bool is_of_caller(const struct window *w, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(w->journal, proc);
    const char *edge = w->edge == 0 ? "" : journal_name(w->journal, w->edge);
    size_t len = p == NULL || p->service == NULL ? 0 : strlen(p->service);
    return len == 0 || edge[0] == '\0' ||
           (strncmp(edge, p->service, len) == 0 && strncmp(edge + len, " -> ", 4) == 0);
}

static int by_time(const void *a, const void *b)
{
    const struct swap *x = a, *y = b;
    return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

static void read_swaps(struct shakes *s, const struct window *w)
{
    const struct journal *j = w->journal;
    s->swaps = check_alloc_zero(j->world_count + 1, sizeof(*s->swaps));
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        const char *what = journal_name(j, r->what);
        bool leaf = bytes_starts(bytes_of(what), BYTES("leaf ")),
             mesh = strcmp(journal_name(j, r->place), MESH_PLACE) == 0;
        if ((!leaf && !bytes_starts(bytes_of(what), BYTES("bundle "))) ||
            !is_ours(w, j->worlds[i].proc) ||
            !(mesh ? is_of_caller(w, j->worlds[i].proc) : is_service(w, j->worlds[i].proc)) ||
            r->at < w->track->from_ns || r->at >= w->track->to_ns)
            continue;
        s->swaps[s->swap_count++] =
            (struct swap){.from_ns = r->at,
                          .to_ns = r->at + r->after + (mesh ? TAKEN_SLACK_NS : 0),
                          .endpoint = mesh ? 0 : r->endpoint,
                          .leaf = leaf,
                          .taken = r->read_back_ok != 0,
                          .what = what};
    }
    qsort(s->swaps, s->swap_count, sizeof(*s->swaps), by_time);
}

static bool list_has(struct bytes list, struct bytes root)
{
    while (list.len > 0) {
        size_t comma = bytes_find(list, ',');
        size_t len = comma < list.len ? comma : list.len;
        if (bytes_equal((struct bytes){list.at, len}, root))
            return true;
        size_t used = len < list.len ? len + 1 : len;
        list = (struct bytes){list.at + used, list.len - used};
    }
    return false;
}

struct bytes swap_roots(const struct swap *swap)
{
    struct bytes text = bytes_of(swap->what);
    size_t space = bytes_find(text, ' ');
    text = (struct bytes){text.at + space + 1, text.len - space - 1};
    space = swap->leaf ? bytes_find(text, ' ') : text.len;
    return (struct bytes){text.at, space < text.len ? space : text.len};
}

/* Calls ${each} for every state of ${endpoint} that may have been in force in [from, to]. */
struct state_walk {
    const struct shakes *s;
    uint16_t endpoint;
    bool leaf;
    uint64_t from_ns, to_ns;
};

static struct bytes next_state(const struct state_walk *q, size_t *at)
{
    /* ${at}: 0 is the state before; then each swap that may have come into force since. */
    const struct shakes *s = q->s;
    if (*at == 0) {
        struct bytes roots = BYTES(SHAKES_FIRST_ROOT);
        for (size_t i = 0; i < s->swap_count; i++)
            if (s->swaps[i].endpoint == q->endpoint && s->swaps[i].leaf == q->leaf &&
                s->swaps[i].to_ns < q->from_ns)
                roots = swap_roots(&s->swaps[i]);
        *at = 1;
        return roots;
    }
    for (size_t i = *at - 1; i < s->swap_count; i++) {
        const struct swap *swap = &s->swaps[i];
        if (swap->endpoint != q->endpoint || swap->leaf != q->leaf || swap->to_ns < q->from_ns ||
            swap->from_ns > q->to_ns)
            continue;
        *at = i + 2;
        return swap_roots(swap);
    }
    return (struct bytes){0};
}

static enum sure both(enum sure before, bool has, bool first)
{
    enum sure now = has ? SURE_YES : SURE_NO;
    return first || before == now ? now : SURE_NOT;
}

enum sure shakes_trusts(const struct shakes *s, uint16_t endpoint, struct bytes root,
                        uint64_t from_ns, uint64_t to_ns)
{
    const struct state_walk q = {s, endpoint, false, from_ns, to_ns};
    enum sure ret = SURE_NOT;
    bool first = true;
    size_t at = 0;
    for (struct bytes list = next_state(&q, &at); list.len > 0; list = next_state(&q, &at)) {
        ret = both(ret, list_has(list, root), first);
        first = false;
    }
    return ret;
}

/* Whether ${by} trusts the leaf that ${who} has declared. */
static enum sure trusts_leaf(const struct shakes *s, uint16_t by, uint16_t who, uint64_t from_ns,
                             uint64_t to_ns)
{
    const struct state_walk q = {s, who, true, from_ns, to_ns};
    enum sure ret = SURE_NOT;
    bool first = true;
    size_t at = 0;
    for (struct bytes root = next_state(&q, &at); root.len > 0; root = next_state(&q, &at)) {
        enum sure one = shakes_trusts(s, by, root, from_ns, to_ns);
        if (one == SURE_NOT)
            return SURE_NOT;
        ret = both(ret, one == SURE_YES, first);
        first = false;
    }
    return ret;
}

/* ---- handshakes ---- */

static uint64_t latest(const struct handshake_record *r)
{
    const uint64_t spans[] = {r->hello,     r->flight_out,  r->done,
                              r->first_app, r->alert_in_at, r->alert_out_at};
    uint64_t most = 0;
    for (size_t i = 0; i < COUNT_OF(spans); i++)
        most = spans[i] > most ? spans[i] : most;
    return r->at + most;
}

static enum shown shown_by(const char *kind)
{
    for (size_t i = 0; i < SHOWN_WRONG; i++)
        if (strcmp(kind, shown_words[i]) == 0)
            return (enum shown)i;
    return SHOWN_GOOD; /* old_root, new_root: its root says */
}

static uint64_t wall_slack_s(const struct window *w)
{
    bool linkerd = w->policy != NULL && w->policy->flavour == FLAVOUR_LINKERD;
    return linkerd ? WALL_SLACK_LINKERD_S : WALL_SLACK_S;
}

/* A leaf that nobody made wrong: its root, and its end, say. */
static enum shown shown_by_itself(const struct shakes *s, const struct window *w,
                                  const struct shake *h)
{
    const struct handshake_record *r = h->r;
    uint64_t slack = wall_slack_s(w);
    struct bytes root = shake_root(journal_name(w->journal, r->own_root));
    if (r->own_not_after != 0 && r->wall > r->own_not_after + slack)
        return SHOWN_EXPIRED;
    if (r->own_not_after != 0 && r->wall + slack > r->own_not_after)
        return SHOWN_UNSURE;
    if (!s->lab || r->own_root == 0 || r->side != 0)
        return SHOWN_GOOD;
    switch (shakes_trusts(s, 0, root, r->at, h->end_ns)) {
    case SURE_YES:
        return SHOWN_GOOD;
    case SURE_NO:
        return SHOWN_UNKNOWN_ROOT;
    case SURE_NOT:
        break;
    }
    return SHOWN_UNSURE;
}

static void class_shown(const struct shakes *s, const struct window *w, struct shake *h)
{
    const struct step *fault = h->r->fault == 0 ? NULL : window_fault(w, h->r->fault);
    h->fits = SURE_NOT;
    if (h->r->fault != 0 && (fault == NULL || strcmp(fault->word, "cert") != 0)) {
        h->shown = SHOWN_DISTURBED;
        return;
    }
    enum shown by = fault == NULL ? SHOWN_GOOD : shown_by(step_text(fault, "kind", ""));
    h->shown = by == SHOWN_GOOD ? shown_by_itself(s, w, h) : by;
    if (by != SHOWN_GOOD || !s->lab || h->r->side != 0 || h->shown == SHOWN_UNSURE ||
        h->shown == SHOWN_EXPIRED)
        return;
    /* Unless it sent none: then who knows what it would have been. */
    enum sure theirs = trusts_leaf(s, h->r->endpoint, 0, h->r->at, h->end_ns);
    h->ours_unfit = h->shown == SHOWN_UNKNOWN_ROOT;
    if (h->ours_unfit || theirs == SURE_NO)
        h->fits = SURE_NO;
    else
        h->fits = theirs;
}

static void class_end(struct shake *h)
{
    const struct handshake_record *r = h->r;
    bool sent = (r->flags & HANDSHAKE_CERTIFICATE_SENT) != 0 || h->shown == SHOWN_NO_CERTIFICATE;
    h->full = r->resumed == 0 && sent;
    h->accepted = r->first_app != 0;
    h->refused = !h->accepted &&
                 (r->alert_in != 0 || r->alert_out != 0 || r->result == HANDSHAKE_REFUSED_BY_US ||
                  r->result == HANDSHAKE_REFUSED_BY_PEER);
    h->ended = !h->accepted && !h->refused &&
               (r->result == HANDSHAKE_EOF || r->result == HANDSHAKE_RESET ||
                (r->result == HANDSHAKE_DONE && r->closed_by == 0));
}

static int by_begin(const void *a, const void *b)
{
    const struct shake *x = a, *y = b;
    return x->r->at < y->r->at ? -1 : x->r->at > y->r->at;
}

void shakes_init(struct shakes *s, const struct window *w)
{
    const struct journal *j = w->journal;
    *s = (struct shakes){.lab = w->scenario != NULL && plan_lab_tls(w->scenario)};
    read_swaps(s, w);
    s->at = check_alloc_zero(j->handshake_count + 1, sizeof(*s->at));
    for (size_t i = 0; i < j->handshake_count; i++) {
        const struct handshake_row *row = &j->handshakes[i];
        if ((row->r.flags & HANDSHAKE_PASSED_THROUGH) != 0 || !is_ours(w, row->proc) ||
            !is_service(w, row->proc) || row->r.at < w->track->from_ns ||
            row->r.at >= w->track->to_ns)
            continue;
        struct shake *h = &s->at[s->count++];
        *h = (struct shake){.r = &row->r, .row = row, .end_ns = latest(&row->r)};
        class_shown(s, w, h);
        class_end(h);
    }
    qsort(s->at, s->count, sizeof(*s->at), by_begin);
}

void shakes_release(struct shakes *s)
{
    free(s->at);
    free(s->swaps);
    *s = (struct shakes){0};
}

bool shake_is_asked(const struct window *w, const struct shake *h)
{
    uint32_t endpoint = w->asked != NULL && w->asked->has_on ? w->asked->on.to.endpoint : 0;
    return h->r->at >= w->span.from_ns && h->r->at < w->span.to_ns &&
           (endpoint == 0 || endpoint == h->r->endpoint);
}

bool shakes_apply(const struct edge_policy *edge)
{
    enum mesh mesh = edge->target.mesh;
    if (edge->mtls.sends.set)
        return edge->mtls.sends.number != MTLS_DISABLE;
    /* All of them speak it among their own unless they are told not to (policy-semantics.md E). */
    return mesh == MESH_ISTIO || mesh == MESH_ISTIO_AMBIENT || mesh == MESH_LINKERD;
}

bool shakes_lack(const struct shakes *s, const struct window *w, struct verdict *v,
                 struct arena *arena)
{
    if (s->lab || s->count > 0)
        return false;
    (void)w;
    verdict_open(v, WHY_CAPABILITY, arena,
                 "the lab speaks no TLS, so the mesh was not asked for it");
    v->needs = "lab { driver = \"envoy\", tls = \"mutual\", ... }";
    return true;
}

/* ---- skews ---- */

static bool step_refuses(const struct window *w, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (s->kind == STEP_EXPECT && strcmp(s->word, "refused") == 0 && s->has_on &&
            s->on.to.service != NULL && strcmp(s->on.to.service, w->track->service) == 0)
            return true;
        if (step_refuses(w, s->steps, s->step_count))
            return true;
    }
    return false;
}

bool window_declares_refusal(const struct window *w)
{
    return (w->phase != NULL && step_refuses(w, w->phase->steps, w->phase->step_count)) ||
           (w->scenario != NULL && step_refuses(w, w->scenario->steps, w->scenario->step_count));
}

static size_t add_skews(const struct shakes *s, const struct window *w, uint16_t endpoint,
                        bool ours, struct skew *ret, size_t most)
{
    size_t count = 0;
    uint64_t from_ns = w->track->from_ns;
    bool open = false;
    for (size_t i = 0; i <= s->swap_count; i++) {
        /* Between two swaps nothing changes; looked at just behind each. */
        uint64_t at_ns = i == 0 ? w->track->from_ns : s->swaps[i - 1].from_ns + 1;
        uint64_t until_ns = i < s->swap_count ? s->swaps[i].from_ns : w->track->to_ns;
        /* By the declaration: from its beginning on a swap is what it says. */
        uint16_t by = ours ? 0 : endpoint, who = ours ? endpoint : 0;
        struct bytes leaf = BYTES(SHAKES_FIRST_ROOT), bundle = BYTES(SHAKES_FIRST_ROOT);
        for (size_t k = 0; k < i; k++) {
            if (s->swaps[k].endpoint == who && s->swaps[k].leaf)
                leaf = swap_roots(&s->swaps[k]);
            if (s->swaps[k].endpoint == by && !s->swaps[k].leaf)
                bundle = swap_roots(&s->swaps[k]);
        }
        bool unfit = !list_has(bundle, leaf);
        from_ns = unfit && !open ? at_ns : from_ns;
        open = unfit;
        uint64_t a = from_ns > w->span.from_ns ? from_ns : w->span.from_ns;
        uint64_t b = until_ns < w->span.to_ns ? until_ns : w->span.to_ns;
        if (!unfit || b <= a || b - a < SKEW_LEAST_NS || count == most)
            continue;
        if (count > 0 && ret[count - 1].from_ns == a)
            ret[count - 1].to_ns = b;
        else
            ret[count++] = (struct skew){endpoint, ours, a, b};
    }
    return count;
}

size_t shakes_skews(const struct shakes *s, const struct window *w, struct skew *ret, size_t most)
{
    uint32_t asked = w->asked != NULL && w->asked->has_on ? w->asked->on.to.endpoint : 0;
    size_t count = 0;
    for (uint32_t e = 1; e <= w->track->host_count; e++) {
        if (!s->lab || (asked != 0 && asked != e))
            continue;
        count += add_skews(s, w, (uint16_t)e, true, ret + count, most - count);
        count += add_skews(s, w, (uint16_t)e, false, ret + count, most - count);
    }
    return count;
}

bool shakes_untaken(const struct shakes *s, const struct window *w, uint64_t before_ns,
                    struct verdict *v, struct arena *arena)
{
    const struct journal *j = w->journal;
    char at[32];
    for (size_t i = 0; i < s->swap_count; i++) {
        const struct swap *swap = &s->swaps[i];
        if (swap->taken || swap->from_ns > before_ns)
            continue;
        verdict_open(v, WHY_CAPABILITY, arena,
                     "the proxy did not take the file: %s at %s after the scenario began",
                     swap->what, verdict_span(swap->from_ns - w->track->from_ns, at, sizeof(at)));
        v->needs = "a proxy that reads its files again";
        return true;
    }
    for (size_t i = 0; i < j->metric_count; i++) {
        const struct metric_record *m = &j->metrics[i].r;
        if (m->value <= 0 || m->at < w->track->from_ns || m->at > before_ns ||
            !is_ours(w, j->metrics[i].proc) ||
            strstr(journal_name(j, m->name), "key_rotation_failed") == NULL)
            continue;
        verdict_open(v, WHY_CAPABILITY, arena,
                     "the proxy refused a file (key_rotation_failed is "
                     "%.0f): it may take no other until its bundle is another",
                     m->value);
        v->needs = "files that the proxy takes";
        return true;
    }
    return false;
}

const char *shake_place(const struct window *w, uint16_t endpoint, struct arena *arena)
{
    return arena_printf(arena, "%s/%u", w->track->service, endpoint);
}
