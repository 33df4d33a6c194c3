#include "simulate/rig.h"

#include "base/grpc_status.h"
#include "base/rng.h"
#include "base/units.h"

#define PPM 1000000

static const char *key(const struct step *s, const char *name)
{
    return json_string_value(json_object_get(s->keys, name));
}

/* A number, or its digits as text: as a user may write it. */
static uint64_t number(const struct step *s, const char *name)
{
    const json_t *value = json_object_get(s->keys, name);
    uint64_t ret = 0;
    if (json_is_integer(value))
        return json_integer_value(value) < 0 ? 0 : (uint64_t)json_integer_value(value);
    if (json_is_string(value) && !bytes_to_u64(bytes_of(json_string_value(value)), &ret))
        ret = 0;
    return ret;
}

static uint64_t duration(const struct step *s, const char *name)
{
    struct error err = {0};
    uint64_t ret = 0;
    const char *text = key(s, name);
    return text != NULL && units_parse_duration(text, &ret, &err) ? ret : 0;
}

static uint64_t share_ppm(const struct step *s)
{
    struct error err = {0};
    uint64_t ret = PPM;
    const char *text = key(s, "share");
    return text != NULL && units_parse_share(text, &ret, &err) ? ret : PPM;
}

static bool is_key(const struct step *s, const char *name, const char *value)
{
    const char *text = key(s, name);
    return text != NULL && strcmp(text, value) == 0;
}

/* A number, or the name that the suite may have written. */
static uint16_t grpc_plus_1(const struct step *s)
{
    const char *text = key(s, "grpc");
    unsigned status;
    if (text != NULL && grpc_status_parse(bytes_of(text), &status))
        return (uint16_t)(status + 1);
    return (uint16_t)(number(s, "grpc") + 1);
}

static bool read_kind(const struct step *s, struct rig *r)
{
    const char *when = key(s, "when");
    if (strcmp(s->word, "abort") == 0 && json_object_get(s->keys, "grpc") != NULL) {
        r->kind = RIG_STATUS;
        r->works = is_key(s, "reply", "after");
        r->status = 200;
        r->grpc = grpc_plus_1(s);
        r->in_trailers = is_key(s, "where", "trailers");
        return true;
    }
    if (strcmp(s->word, "abort") == 0 && json_object_get(s->keys, "status") != NULL) {
        r->kind = RIG_STATUS;
        r->works = is_key(s, "reply", "after");
        r->status = (uint16_t)number(s, "status");
        r->wait_ns = duration(s, "after");
        return r->status >= 200;
    }
    if (strcmp(s->word, "rst_stream") == 0) {
        r->kind = RIG_STREAM;
        return when == NULL && key(s, "code") != NULL && !is_key(s, "code", "REFUSED_STREAM");
    }
    if (strcmp(s->word, "latency") == 0 && key(s, "add") != NULL) {
        r->kind = RIG_SLOW;
        r->works = true;
        r->wait_ns = duration(s, "add");
        return true;
    }
    if (strcmp(s->word, "blackhole") == 0) {
        r->kind = RIG_HOLD;
        return when == NULL || is_key(s, "when", "request");
    }
    if (strcmp(s->word, "refuse") == 0) {
        r->kind = RIG_REFUSE;
        return true;
    }
    if (strcmp(s->word, "malformed") == 0) {
        r->kind = RIG_FIN;
        return is_key(s, "kind", "empty");
    }
    if (strcmp(s->word, "reset") != 0)
        return false;
    bool started = json_object_get(s->keys, "after") != NULL;
    r->kind = is_key(s, "when", "accept") ? RIG_ACCEPT : started ? RIG_STARTED : RIG_RESET;
    r->works = started || is_key(s, "when", "response_head");
    return true;
}

static bool at_connect(const struct rig *r)
{
    return r->kind == RIG_REFUSE || r->kind == RIG_ACCEPT;
}

static void add(struct rigs *to, struct journal *j, const struct step *s, const char *phase,
                uint64_t from_ns, uint64_t to_ns)
{
    struct rig r = {.step = s, .host = UINT32_MAX, .from_ns = from_ns, .to_ns = to_ns};
    const char *tag = json_string_value(json_object_get(json_object_get(s->keys, "match"), "tag"));
    if (s->kind != STEP_FAULT || to->count == RIGS_MOST || !read_kind(s, &r))
        return;
    if (s->has_on && s->on.to.endpoint != 0)
        r.host = s->on.to.endpoint - 1u;
    r.tagged = tag != NULL;
    r.tag = tag == NULL ? 0 : journal_add_name(j, tag);
    r.first = (uint32_t)number(s, "first");
    r.streak = (uint32_t)number(s, "streak");
    r.times = (uint32_t)number(s, "times");
    r.share_ppm = share_ppm(s);
    r.until = key(s, "to_end_of") == NULL ? phase : key(s, "to_end_of");
    to->at[to->count++] = r;
    to->at_connect += at_connect(&r);
}

void rigs_add(struct rigs *r, struct journal *j, const struct phase *phase, uint64_t t0_ns)
{
    for (size_t i = 0; i < phase->step_count; i++) {
        const struct step *s = &phase->steps[i];
        bool windowed = s->kind == STEP_AT || s->kind == STEP_DURING;
        uint64_t from = windowed ? t0_ns + s->from_ns : t0_ns;
        uint64_t to =
            s->kind == STEP_DURING && s->to_ns < UINT64_MAX - t0_ns ? t0_ns + s->to_ns : UINT64_MAX;
        add(r, j, s, phase->name, from, to);
        for (size_t k = 0; k < s->step_count; k++)
            add(r, j, &s->steps[k], phase->name, from, to);
    }
}

void rigs_end(struct rigs *r, const char *phase)
{
    size_t kept = 0;
    r->at_connect = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->at[i].until, phase) == 0)
            continue;
        r->at[kept++] = r->at[i];
        r->at_connect += at_connect(&r->at[kept - 1]);
    }
    r->count = kept;
}

static bool is_on(const struct rig *r, uint32_t host, uint64_t now_ns)
{
    return (r->host == UINT32_MAX || r->host == host) && now_ns >= r->from_ns && now_ns < r->to_ns;
}

const struct rig *rigs_connect(const struct rigs *r, uint32_t host, uint64_t now_ns)
{
    for (size_t i = 0; i < r->count && r->at_connect > 0; i++)
        if (at_connect(&r->at[i]) && is_on(&r->at[i], host, now_ns))
            return &r->at[i];
    return NULL;
}

/* Drawn by the request, so that all its tries meet the same. */
static bool is_drawn(const struct rig *rig, uint64_t id)
{
    return rig->share_ppm >= PPM || rng_mix(id ^ rng_mix(rig->step->fault)) % PPM < rig->share_ppm;
}

const struct rig *rigs_find(const struct rigs *r, size_t *nth, const struct rig_try *x,
                            uint64_t now_ns)
{
    while (*nth < r->count) {
        const struct rig *rig = &r->at[(*nth)++];
        if (!at_connect(rig) && (!rig->tagged || rig->tag == x->tag) &&
            (rig->first == 0 || x->k <= rig->first) &&
            (rig->times == 0 || rig->fired < rig->times) && is_on(rig, x->host, now_ns) &&
            is_drawn(rig, x->id))
            return rig;
    }
    return NULL;
}

void rigs_fire(struct rigs *r, const struct rig *rig)
{
    r->at[rig - r->at].fired++;
}
