/* The phases that probe an edge whose policy is not known: each cause on requests of its own, one
 * failing request at a time between clean ones, so that an ejection that may be in force is not met
 * by the way; then ejection, its cap, and limits, each by itself. */
#include "verify/discover.h"

#include "base/clock.h"

#define PHASES_MOST 40
#define STEPS_MOST 40
#define TAGS_MOST 32
#define EJECTED_MOST 3 /* endpoints that are put out one after the other */
#define PER_S 3600     /* rates are kept per hour */
#define ANSWERS 8      /* requests of a cause */
#define HELD 4
#define TRICKLED 3
#define ANSWERS_NS (24 * NS_PER_S)
#define HELD_MORE_NS (2 * NS_PER_S)
#define TRIP_NS (8 * NS_PER_S)
#define TRIP_THINK_NS (20 * NS_PER_MS)
#define QUIET_NS (1500 * NS_PER_MS)
#define CAP_NS (6 * NS_PER_S)
#define LIMITS_NS (2500 * NS_PER_MS)
#define CROWD 60
#define BODY_BYTES 1024 /* of a stub, unless the lab says otherwise */
#define SLICE_EVERY_NS (100 * NS_PER_MS)

struct probing {
    struct plan *p;
    struct scenario *s;
    const struct discover_options *o;
    const char *edge, *to;
    uint32_t n;
    struct phase *phase;
    struct tagged *tags;
    size_t tag_count;
};

static const char *ms(const struct probing *b, uint64_t ns)
{
    return arena_printf(&b->p->arena, "%llums", (unsigned long long)(ns / NS_PER_MS));
}

static const char *endpoint(const struct probing *b, uint32_t number)
{
    return arena_printf(&b->p->arena, "%s/%u", b->to, number);
}

/* ${lasting_ns} 0: ended by its awaits. */
static void begin(struct probing *b, const char *name, const char *about, uint64_t lasting_ns)
{
    struct arena *arena = &b->p->arena;
    INVARIANT(b->s->phase_count < PHASES_MOST);
    b->phase = &b->s->phases[b->s->phase_count++];
    *b->phase = (struct phase){.name = arena_strdup(arena, name),
                               .about = about,
                               .source = b->o->source,
                               .ends = lasting_ns == 0 ? PHASE_BY_AWAITS : PHASE_BY_CLOCK,
                               .lasting_ns = lasting_ns,
                               .loads = ARENA_ARRAY(arena, struct load_plan, 4),
                               .steps = ARENA_ARRAY(arena, struct step, STEPS_MOST)};
}

static struct load_plan *add_load(struct probing *b)
{
    struct load_plan *l = &b->phase->loads[b->phase->load_count++];
    *l = (struct load_plan){
        .source = b->o->source,
        .protocol = "http1",
        .method = b->o->method,
        .path = b->o->path,
        .timeout_ns = b->o->patience_ns * 2 + 20 * NS_PER_S,
        .tag_every_ns = 60 * NS_PER_MS,
        .connections = 8,
        .clients = 1,
    };
    INVARIANT(place_parse(b->edge, &b->p->arena, &l->on, NULL));
    return l;
}

static void add_open(struct probing *b, uint64_t per_s)
{
    add_load(b)->rate_per_h = per_s * PER_S;
}

static struct load_plan *add_users(struct probing *b, uint32_t users, uint64_t think_ns)
{
    struct load_plan *l = add_load(b);
    l->closed = true;
    l->users = users;
    l->think_ns = think_ns;
    return l;
}

static struct step *add_fault(struct probing *b, const char *word, const char *on,
                              const char *const *keys)
{
    struct step *s = &b->phase->steps[b->phase->step_count++];
    INVARIANT(b->phase->step_count <= STEPS_MOST);
    *s = step_make(b->p, STEP_FAULT, word, on, b->o->source, keys);
    return s;
}

static void add_await(struct probing *b, const char *word, const char *on, uint64_t within_ns)
{
    const char *const keys[] = {"within", ms(b, within_ns), "late", "go_on", NULL};
    b->phase->steps[b->phase->step_count++] =
        step_make(b->p, STEP_AWAIT, word, on, b->o->source, keys);
}

/* ${count} requests of one user, each followed by so many clean ones that every endpoint answers
 * well in between. */
static void tag(struct probing *b, struct load_plan *l, const char *name, uint32_t count)
{
    if (l->tagged == NULL)
        l->tagged = ARENA_ARRAY(&b->p->arena, struct tagged, TAGS_MOST);
    INVARIANT(l->tagged_count < TAGS_MOST);
    l->tagged[l->tagged_count++] =
        (struct tagged){.tag = arena_strdup(&b->p->arena, name), .count = count};
    l->heal = 4 * b->n;
}

static void add_tagged(struct probing *b, struct load_plan *l, const char *name, uint32_t count,
                       const char *word, const char *const *keys, uint32_t first)
{
    struct step *s = add_fault(b, word, b->to, keys);
    step_set_json(b->p, s, "match", json_pack("{s:s}", "tag", name));
    if (first > 0)
        step_set_json(b->p, s, "first", json_integer((json_int_t)first));
    tag(b, l, name, count);
}

static void answers(struct probing *b)
{
    static const uint16_t statuses[] = {500, 501, 502, 503, 504, 400, 401,
                                        404, 408, 409, 412, 422, 425, 429};
    begin(b, "answers", "each answer on requests of its own", ANSWERS_NS);
    struct load_plan *l = add_users(b, 1, 4 * NS_PER_MS);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        const char *text = arena_printf(&b->p->arena, "%u", statuses[i]);
        const char *name = arena_printf(&b->p->arena, "all:%s", text);
        add_tagged(b, l, name, statuses[i] >= 500 ? ANSWERS : ANSWERS / 2, "abort",
                   (const char *const[]){"status", text, NULL}, 0);
    }
    add_tagged(b, l, "all:reset", ANSWERS, "reset", NULL, 0);
}

/* The smallest slice with which the body takes longer than patience lasts. */
static const char *slice_of(const struct probing *b)
{
    uint64_t body = BODY_BYTES;
    for (size_t i = 0; i < b->s->lab.service_count; i++)
        if (strcmp(b->s->lab.services[i].name, b->to) == 0 && b->s->lab.services[i].body_bytes > 0)
            body = b->s->lab.services[i].body_bytes;
    uint64_t slice = body * SLICE_EVERY_NS / (b->o->patience_ns + HELD_MORE_NS);
    return arena_printf(&b->p->arena, "%lluB", (unsigned long long)(slice == 0 ? 1 : slice));
}

static void held(struct probing *b)
{
    const char *const hold[] = {"add", ms(b, b->o->patience_ns), NULL};
    const char *const trickle[] = {"size", slice_of(b), "delay", ms(b, SLICE_EVERY_NS), NULL};
    begin(b, "held", "answers that come late, or drop by drop",
          HELD * b->o->patience_ns / 2 + b->o->patience_ns + HELD_MORE_NS);
    add_open(b, 100);
    add_tagged(b, add_users(b, 1, 20 * NS_PER_MS), "f1:hold", 2 * HELD, "latency", hold, 1);
    add_tagged(b, add_users(b, 1, 20 * NS_PER_MS), "all:hold", HELD, "latency", hold, 0);
    add_tagged(b, add_users(b, 1, 20 * NS_PER_MS), "all:trickle", TRICKLED, "slicer", trickle, 0);
}

static void heal(struct probing *b, const char *name)
{
    begin(b, name, "every endpoint answers again", 0);
    add_open(b, 150);
    for (uint32_t i = 1; i <= b->n; i++)
        add_await(b, "readmitted", endpoint(b, i), b->o->eject_ns * 2);
}

static void eject_one(struct probing *b, uint32_t number)
{
    struct arena *arena = &b->p->arena;
    const char *bad = endpoint(b, number), *out = arena_printf(arena, "out %u", number);
    begin(b, arena_printf(arena, "quiet %u", number), "nothing changes", QUIET_NS);
    add_open(b, 100);
    begin(b, arena_printf(arena, "trip %u", number), "one endpoint fails, one request at a time",
          0);
    (void)add_users(b, 1, TRIP_THINK_NS);
    struct step *s = add_fault(b, "abort", bad, (const char *const[]){"status", "503", NULL});
    step_set_json(b->p, s, "to_end_of", json_string(out));
    add_await(b, "ejected", bad, TRIP_NS);
    begin(b, out, "out, back, and out again", 0);
    add_open(b, 200);
    add_await(b, "readmitted", bad, b->o->eject_ns);
    add_await(b, "ejected", bad, 4 * NS_PER_S);
    begin(b, arena_printf(arena, "back %u", number), "it answers again", 0);
    add_open(b, 200);
    add_await(b, "readmitted", bad, b->o->eject_ns * 2);
}

static void cap(struct probing *b)
{
    begin(b, "all fail", "how many may be out at once", CAP_NS);
    add_open(b, 150);
    (void)add_fault(b, "abort", b->to, (const char *const[]){"status", "503", NULL});
    heal(b, "healed");
}

/* Of requests that are at the endpoints at once, and of retries. */
static void limits(struct probing *b)
{
    begin(b, "crowd", "many at once, each answered a little later", LIMITS_NS);
    (void)add_users(b, CROWD, 0);
    (void)add_fault(b, "latency", b->to, (const char *const[]){"add", "100ms", NULL});
    begin(b, "storm", "many at once, all failing a little later", LIMITS_NS);
    (void)add_users(b, CROWD, 0);
    (void)add_fault(b, "latency", b->to,
                    (const char *const[]){"add", "100ms", "when", "request", NULL});
    (void)add_fault(b, "abort", b->to, (const char *const[]){"status", "503", NULL});
    heal(b, "over");
}

void discover_phases(struct plan *p, struct scenario *s, const char *from, const char *to,
                     uint32_t endpoints, const struct discover_options *options)
{
    struct probing b = {.p = p,
                        .s = s,
                        .o = options,
                        .edge = arena_printf(&p->arena, "%s -> %s", from, to),
                        .to = arena_strdup(&p->arena, to),
                        .n = endpoints};
    s->phases = ARENA_ARRAY(&p->arena, struct phase, PHASES_MOST);
    s->phase_count = 0;
    s->settle_ns = 0;
    s->from_policy = false;
    s->loads = NULL;
    s->load_count = 0;
    s->steps = NULL;
    s->step_count = 0;
    begin(&b, "calm", "shares and latency without faults", 2 * NS_PER_S);
    add_open(&b, 100);
    answers(&b);
    held(&b);
    for (uint32_t i = 1; endpoints > 1 && i <= endpoints && i <= EJECTED_MOST; i++)
        eject_one(&b, i);
    if (endpoints > 1)
        cap(&b);
    limits(&b);
}
