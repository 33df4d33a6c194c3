/* path (spec/verifier.md 3.9): the data planes that each try passed, by the marks that they leave
 * on its head, and by the identity of whoever brought it. A ztunnel knows no requests and can mark
 * none; it is told by the workload's identity, which in ambient is its alone to present. So are all
 * on raw TCP, that has no heads. */
#include "verify/claims.h"
#include "verify/window.h"

#include "base/map.h"

#define LEAST 300 /* a census of all (scenario-language.md 1.7) */
#define HANDSHAKES_MOST ((size_t)1 << 24)

static const char *const planes[] = {"sidecar", "ztunnel", "waypoint",
                                     "gateway", "linkerd", "none"};
#define PLANES COUNT_OF(planes)
enum {
    PLANE_SIDECAR = 1 << 0,
    PLANE_ZTUNNEL = 1 << 1,
    PLANE_LINKERD = 1 << 4,
    PLANE_NONE = 1 << 5,
};

struct evidence {
    struct map marks;     /* by try: name of the marks, plus 1 */
    struct map carried;   /* connections that began with an identity */
    unsigned by_identity; /* the plane that one shows; 0: none */
    uint64_t handshakes;
};
struct census {
    uint64_t requests, lacking[PLANES], passing[PLANES], wrong;
    uint64_t marked; /* of the wrong: by a mark that is there, not by one that is missing */
    unsigned missing, forbidden; /* planes of the first offence */
};

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

static unsigned plane_of(struct bytes word)
{
    for (size_t i = 0; i < PLANES; i++)
        if (bytes_equal(word, bytes_of(planes[i])))
            return 1U << i;
    return 0;
}

static unsigned asked(const struct window *w, const char *key)
{
    const json_t *list = w->asked == NULL ? NULL : json_object_get(w->asked->keys, key), *each;
    unsigned mask = json_is_string(list) ? plane_of(bytes_of(json_string_value(list))) : 0;
    size_t i;
    json_array_foreach(list, i, each)
    {
        if (json_is_string(each))
            mask |= plane_of(bytes_of(json_string_value(each)));
    }
    return mask;
}

static bool is_here(const struct window *w, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(w->journal, proc);
    return p != NULL && p->arm != NULL && p->service != NULL &&
           strcmp(p->arm, w->track->arm) == 0 && strcmp(p->service, w->track->service) == 0;
}

/* A try's order and a connection's number are those of the process that has the endpoint: of a
 * service there may be several. */
static struct map_key key_of_try(uint64_t hi, uint64_t lo, uint16_t k, uint16_t endpoint)
{
    return (struct map_key){hi ^ (uint64_t)k << 48, lo ^ (uint64_t)endpoint << 48};
}

static struct map_key key_of_conn(uint32_t conn, uint16_t endpoint)
{
    return (struct map_key){endpoint, conn};
}

/* Which plane presents the caller's identity: in ambient the ztunnel's alone does. */
static unsigned identity_shows(const struct window *w)
{
    const char *word =
        w->scenario == NULL || w->scenario->mesh.word == NULL ? "" : w->scenario->mesh.word;
    if (strcmp(word, "istio_ambient") == 0)
        return PLANE_ZTUNNEL;
    if (!w->track->is_raw)
        return 0;
    return strcmp(word, "linkerd") == 0 ? PLANE_LINKERD : PLANE_SIDECAR;
}

static void gather(const struct window *w, struct evidence *e)
{
    const struct journal *j = w->journal;
    e->by_identity = identity_shows(w);
    map_init(&e->marks, j->hop_count + 1);
    map_init(&e->carried, HANDSHAKES_MOST);
    for (size_t i = 0; i < j->hop_count; i++) {
        const struct hop_record *r = &j->hops[i].r;
        uint64_t *at =
            is_here(w, j->hops[i].proc)
                ? map_at(&e->marks, key_of_try(r->id_hi, r->id_lo, r->k, r->endpoint), NULL)
                : NULL;
        if (at != NULL)
            *at = (uint64_t)r->marks + 1;
    }
    for (size_t i = 0; i < j->handshake_count; i++) {
        const struct handshake_record *r = &j->handshakes[i].r;
        if (!is_here(w, j->handshakes[i].proc) || r->side != 0)
            continue;
        e->handshakes++;
        uint64_t *at = r->done != 0 && r->sans != 0
                           ? map_at(&e->carried, key_of_conn(r->conn, r->endpoint), NULL)
                           : NULL;
        if (at != NULL)
            *at = 1;
    }
}

static unsigned planes_of_try(const struct window *w, const struct evidence *e,
                              const struct request *r, const struct try *x)
{
    const uint64_t *marks =
        map_find(&e->marks, key_of_try(r->r->id_hi, r->r->id_lo, x->r->k, x->r->endpoint));
    unsigned mask = 0;
    struct bytes rest = marks == NULL ? (struct bytes){0}
                                      : bytes_of(journal_name(w->journal, (uint32_t)*marks - 1));
    while (rest.len > 0) {
        size_t comma = bytes_find(rest, ','), len = comma < rest.len ? comma : rest.len;
        mask |= plane_of(bytes_trim((struct bytes){rest.at, len}));
        size_t used = len < rest.len ? len + 1 : len;
        rest = (struct bytes){rest.at + used, rest.len - used};
    }
    if (e->by_identity != 0 &&
        map_find(&e->carried, key_of_conn(x->r->conn, x->r->endpoint)) != NULL)
        mask |= e->by_identity;
    return mask == 0 ? PLANE_NONE : mask;
}

static void look(const struct window *w, const struct evidence *e, unsigned through, unsigned never,
                 struct census *c, struct verdict *ret)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        unsigned lacking = 0, passed = 0;
        bool tried = false;
        if (!window_has(w, r))
            continue;
        for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
            if (x->is_connection)
                continue;
            unsigned mask = planes_of_try(w, e, r, x);
            tried = true;
            lacking |= through & ~mask;
            passed |= mask;
        }
        c->requests += tried;
        for (size_t n = 0; n < PLANES; n++) {
            c->lacking[n] += tried && (lacking >> n & 1) != 0;
            c->passing[n] += tried && (passed >> n & 1) != 0;
        }
        if (!tried || (lacking == 0 && (passed & never) == 0))
            continue;
        c->wrong++;
        c->marked += (passed & never & ~(unsigned)PLANE_NONE) != 0;
        c->missing |= lacking;
        c->forbidden |= passed & never;
        window_witness(ret, r, r->start_ns);
    }
}

static const char *words(unsigned mask, const char *between, struct arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < PLANES; i++)
        if ((mask >> i & 1) != 0)
            text = arena_printf(arena, "%s%s%s", text, text[0] == '\0' ? "" : between, planes[i]);
    return text;
}

static void say_policy(unsigned through, unsigned never, struct arena *arena, struct verdict *ret)
{
    const char *by = through == 0 ? NULL : words(through, " and ", arena),
               *not = never == 0 ? NULL : words(never, " or ", arena);
    verdict_policy(ret, NULL, arena, "%s%s%s%s%s", by == NULL ? "" : "through ",
                   by == NULL ? "" : by, by != NULL && not != NULL ? ", " : "",
                   not == NULL ? "" : "never through ", not == NULL ? "" : not );
}

/* What each plane was seen on, of those that were spoken of. */
static const char *seen_text(const struct census *c, unsigned mask, bool lacking,
                             struct arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < PLANES; i++)
        if ((mask >> i & 1) != 0)
            text = arena_printf(arena, "%s%s%s%s on %llu", text, text[0] == '\0' ? "" : ", ",
                                lacking ? "no " : "", planes[i],
                                (unsigned long long)(lacking ? c->lacking[i] : c->passing[i]));
    return text;
}

static void conclude(const struct window *w, const struct census *c, unsigned through,
                     struct arena *arena, struct verdict *ret)
{
    if (c->wrong > 0) {
        const char *by = seen_text(c, c->forbidden, false, arena),
                   *without = seen_text(c, c->missing, true, arena);
        verdict_fail(ret, arena, "%s%s%s of %llu requests%s", by,
                     by[0] != '\0' && without[0] != '\0' ? ", " : "", without,
                     (unsigned long long)c->requests, window_when(w, ret, arena));
        ret->certain = "a census of the phase: by the marks on each try, and who brought it";
        if (c->marked == 0 && w->lost > 0) {
            verdict_open(ret, WHY_LOST, arena,
                         "the journal lost %llu records of this phase, marks among them perhaps "
                         "(else: %s)",
                         (unsigned long long)w->lost, ret->text);
            ret->needs = "a faster disk, or a lower rate";
        }
    } else if (c->requests < ret->needed) {
        window_too_few(w, ret, arena, c->requests, ret->needed, ret->unit);
    } else {
        const char *by = words(through, " and ", arena);
        verdict_pass(ret, arena, "%llu of %llu requests%s%s", (unsigned long long)c->requests,
                     (unsigned long long)c->requests, by[0] == '\0' ? " as asked" : " through ",
                     by);
    }
}

/* A mesh that is not ours leaves no mark by itself: that none is there tells nothing then. */
static bool is_unmarked(const struct window *w, const struct evidence *e, unsigned planes_asked)
{
    return w->scenario != NULL && w->scenario->lab.driver == DRIVER_EXTERNAL &&
           e->marks.count == 0 && (planes_asked & ~(unsigned)PLANE_ZTUNNEL) != 0;
}

/* On raw TCP. */
static unsigned tellable(const struct evidence *e)
{
    return e->by_identity | PLANE_NONE;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct evidence e = {0};
    struct census c = {0};
    unsigned through = asked(w, "through"), never = asked(w, "never");
    (void)edge;
    say_policy(through, never, arena, ret);
    ret->unit = "requests";
    ret->needed = window_floor(w, LEAST);
    gather(w, &e);
    look(w, &e, through, never, &c, ret);
    ret->seen = ret->eligible = c.requests;
    ret->wrong = c.wrong;
    if (w->track->is_raw && (e.handshakes == 0 || ((through | never) & ~tellable(&e)) != 0)) {
        verdict_open(ret, WHY_CAPABILITY, arena,
                     "raw TCP carries no marks: a data plane is told by the identity that it "
                     "presents, and %s",
                     e.handshakes == 0 ? "nothing here is TLS" : "that of another is not told so");
        ret->needs = "lab { driver = \"envoy\", tls = \"mutual\" }";
    } else if ((through & PLANE_ZTUNNEL) != 0 && e.handshakes == 0) {
        verdict_open(ret, WHY_CAPABILITY, arena,
                     "a ztunnel is told by the identity that it presents, and nothing here is TLS");
        ret->needs = "lab { driver = \"envoy\", tls = \"mutual\" }";
    } else if (is_unmarked(w, &e, through | never)) {
        verdict_open(ret, WHY_CAPABILITY, arena,
                     "no try carries a mark, and a mesh that is not ours leaves none by itself");
        ret->needs = "its proxies must add their names to x-meshproof-hop";
    } else
        conclude(w, &c, through, arena, ret);
    map_release(&e.marks);
    map_release(&e.carried);
}

const struct claim_type claim_path = {
    .id = "path",
    .word = "path",
    .only = "path",
    .help = "the data planes that a request passes",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
