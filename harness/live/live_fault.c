#include "live/live_model.h"
#include "plan/fault_words.h"
#include "plan/limits.h"

/* The faults in force: what, where, for how long yet, and how many requests they touch. */

struct found {
    const struct step *step;
    uint32_t owner;
    uint64_t from_ns, to_ns;
};

static bool find(const struct step *steps, size_t count, uint16_t id, struct found within,
                 struct found *ret)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        struct found inner = within;
        if (s->kind == STEP_FAULT && s->fault == id) {
            *ret = within;
            ret->step = s;
            return true;
        }
        if (s->kind == STEP_AT || s->kind == STEP_DURING)
            inner.from_ns = s->from_ns;
        if (s->kind == STEP_DURING)
            inner.to_ns = s->to_ns;
        if (s->step_count > 0 && find(s->steps, s->step_count, id, inner, ret))
            return true;
    }
    return false;
}

static bool find_step(const struct scenario *s, uint16_t id, struct found *ret)
{
    struct found whole = {.owner = UINT32_MAX, .to_ns = UINT64_MAX};
    if (find(s->steps, s->step_count, id, whole, ret))
        return true;
    for (size_t i = 0; i < s->phase_count; i++) {
        struct found within = {.owner = (uint32_t)i, .to_ns = UINT64_MAX};
        if (find(s->phases[i].steps, s->phases[i].step_count, id, within, ret))
            return true;
    }
    return false;
}

void live_faults_open(struct live *l)
{
    l->fault_count = 0;
}

static struct fault_seen *find_slot(struct live *l, uint16_t id)
{
    struct fault_seen *free_one = NULL;
    for (size_t i = 0; i < l->fault_count; i++) {
        if (l->faults[i].id == id)
            return &l->faults[i];
        if (!l->faults[i].armed && free_one == NULL)
            free_one = &l->faults[i];
    }
    if (l->fault_count < LIVE_FAULTS)
        return &l->faults[l->fault_count++];
    return free_one;
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? "" : text;
}

/* What it does, and to whom where that is not all. */
static void print_text(struct fault_seen *f, const char *does)
{
    struct text text;
    text_init(&text, 4096);
    text_add(&text, "%s", does);
    if (f->step != NULL)
        fault_words_match(f->step->keys, &text);
    live_clean(f->text, sizeof(f->text), text_get(&text));
    text_release(&text);
}

/* "payments/2, /3": what was drawn; the plan's own words where it is one endpoint, or all. */
static void print_place(const struct live *l, struct fault_seen *f, const char *on)
{
    uint32_t all = 0;
    size_t used = 0;
    char place[200];
    for (size_t i = 0; i < l->scenario->lab.service_count; i++)
        if (strcmp(l->scenario->lab.services[i].name, f->service) == 0)
            all = l->scenario->lab.services[i].endpoints;
    bool drawn = f->endpoint_count > 0 && f->endpoint_count < all && strchr(on, '/') == NULL;
    bool any = strstr(on, "/any") != NULL && f->endpoint_count > 0;
    if (!drawn && !any) {
        live_clean(f->place, sizeof(f->place), on);
        return;
    }
    for (size_t i = 0; i < f->endpoint_count && used + 80 < sizeof(place); i++)
        used += (size_t)snprintf(place + used, sizeof(place) - used, "%s%.60s/%u",
                                 i == 0 ? "" : ", ", i == 0 ? f->service : "", f->endpoints[i]);
    live_clean(f->place, sizeof(f->place), place);
}

static void take_places(const struct live *l, struct fault_seen *f, const json_t *json)
{
    const json_t *list = json_object_get(json, "endpoints");
    const char *service = f->step != NULL && f->step->has_on ? f->step->on.to.service : NULL;
    f->endpoint_count = 0;
    for (size_t i = 0; i < json_array_size(list) && i < COUNT_OF(f->endpoints); i++)
        f->endpoints[f->endpoint_count++] = (uint16_t)json_integer_value(json_array_get(list, i));
    snprintf(f->service, sizeof(f->service), "%s", service == NULL ? "" : service);
    print_place(l, f, text_of(json, "on"));
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* When its agent takes it out, whatever the plan says. */
static uint64_t ttl_end_of(const struct live *l, const struct fault_seen *f)
{
    uint64_t ttl_ns = f->step == NULL ? UINT64_MAX : limits_ttl_ns(l->scenario, f->step);
    return ttl_ns < UINT64_MAX - f->armed_ns ? f->armed_ns + ttl_ns : UINT64_MAX;
}

/* The end that the plan sets: of its window, of its phase, or of the phase of to_end_of; or of its
 * ttl, where that is earlier. */
static uint64_t end_of(const struct live *l, const struct fault_seen *f, uint64_t now_ns)
{
    const char *until =
        f->step == NULL ? NULL : json_string_value(json_object_get(f->step->keys, "to_end_of"));
    uint32_t owner = f->owner;
    size_t phases = l->scenario->phase_count;
    for (uint32_t i = 0; until != NULL && i < phases; i++)
        if (strcmp(l->scenario->phases[i].name, until) == 0)
            owner = i;
    if (owner == UINT32_MAX)
        owner = phases == 0 ? 0 : (uint32_t)phases - 1;
    uint64_t end_ns = live_phase_end_ns(l, owner, now_ns);
    bool windowed = f->to_ns != UINT64_MAX && l->phase_now != SIZE_MAX && until == NULL;
    uint64_t window_ns = windowed ? l->phases[l->phase_now].from_ns + f->to_ns : UINT64_MAX;
    return earlier(ttl_end_of(l, f), earlier(window_ns, end_ns));
}

/* A change to the world is no share of requests, and nothing counts how often it fired. */
static bool is_of_world(const struct fault_seen *f)
{
    static const char *const words[] = {"kill",      "pause", "restart",
                                        "partition", "netem", "control_plane_cut"};
    for (size_t i = 0; f->step != NULL && i < COUNT_OF(words); i++)
        if (strcmp(f->step->word, words[i]) == 0)
            return true;
    return false;
}

static void print_share(const struct fault_seen *f, char *to, size_t size)
{
    const json_t *keys = f->step == NULL ? NULL : f->step->keys;
    const char *share = json_string_value(json_object_get(keys, "share"));
    const json_t *first = json_object_get(keys, "first");
    char text[40];
    if (share != NULL)
        snprintf(text, sizeof(text), "%.20s", share);
    else if (json_is_integer(first))
        snprintf(text, sizeof(text), "first %lld", (long long)json_integer_value(first));
    else
        snprintf(text, sizeof(text), "%s",
                 is_of_world(f) || json_object_size(json_object_get(keys, "match")) > 0
                     ? ""
                     : "every request");
    live_clean(to, size, text);
}

static void tell_armed(struct live *l, const struct fault_seen *f, uint64_t t_ns)
{
    char share[32], at[32];
    uint64_t end_ns = end_of(l, f, t_ns);
    print_share(f, share, sizeof(share));
    if (end_ns == UINT64_MAX)
        snprintf(at, sizeof(at), "by an event");
    else
        live_clock(live_since(l, end_ns), false, at, sizeof(at));
    live_tell(l, t_ns, LIVE_EVENT_FAULT, "fault.arm", f->place, "%s on %s, %s%sends %s", f->text,
              f->place, share, share[0] != '\0' ? ", " : "", at);
}

void live_fault_armed(struct live *l, const json_t *json, uint64_t t_ns)
{
    json_int_t number = json_integer_value(json_object_get(json, "fault"));
    struct found found = {.owner = UINT32_MAX, .to_ns = UINT64_MAX};
    if (number < 0 || number > UINT16_MAX || l->scenario == NULL)
        return;
    struct fault_seen *f = find_slot(l, (uint16_t)number);
    if (f == NULL)
        return;
    find_step(l->scenario, (uint16_t)number, &found);
    *f = (struct fault_seen){.armed = true,
                             .id = (uint16_t)number,
                             .step = found.step,
                             .owner = found.owner,
                             .from_ns = found.from_ns,
                             .to_ns = found.to_ns,
                             .armed_ns = t_ns};
    print_text(f, text_of(json, "text"));
    take_places(l, f, json);
    tell_armed(l, f, t_ns);
}

void live_fault_disarmed(struct live *l, const json_t *json, uint64_t t_ns)
{
    json_int_t number = json_integer_value(json_object_get(json, "fault"));
    for (size_t i = 0; i < l->fault_count; i++) {
        struct fault_seen *f = &l->faults[i];
        if (!f->armed || f->id != number)
            continue;
        f->armed = false;
        if (l->undoing)
            l->head.undone++;
        json_int_t fired = json_integer_value(json_object_get(json, "fired"));
        char count[40] = "";
        if (!is_of_world(f))
            snprintf(count, sizeof(count), ", fired %lld", (long long)fired);
        live_tell(l, t_ns, LIVE_EVENT_UNDO, "fault.disarm", f->place, "%s on %s lifted%s", f->text,
                  f->place, count);
    }
}

/* Each proxy, or the engine for a change to the world, says that its ttl took it off; the first is
 * told: whoever watches sees the mesh recover then, not when the phase ends. */
void live_fault_seen(struct live *l, const struct fault_record *r)
{
    for (size_t i = 0; r->what == FAULT_EXPIRED && i < l->fault_count; i++) {
        struct fault_seen *f = &l->faults[i];
        if (!f->armed || f->expired || f->id != r->fault)
            continue;
        f->expired = true;
        live_tell(l, r->at, LIVE_EVENT_UNDO, "fault.expired", f->place, "%s on %s: its ttl is over",
                  f->text, f->place);
    }
}

bool live_fault_fired(struct live *l, const char *service, uint32_t bits, uint16_t id,
                      uint64_t at_ns)
{
    bool any = false;
    for (size_t i = 0; i < l->fault_count; i++) {
        struct fault_seen *f = &l->faults[i];
        bool by_bit = (bits >> (f->id % 32) & 1) != 0;
        if (!f->armed || strcmp(f->service, service) != 0 || !(by_bit || f->id == id))
            continue;
        any = true;
        second_add(f->ring, at_ns);
        if (f->fired++ == 0)
            live_tell(l, at_ns, LIVE_EVENT_FAULT, "fault.first", f->place, "%s on %s has fired",
                      f->text, f->place);
    }
    return any;
}

bool live_fault_touches(const struct live *l, const char *service, uint16_t number)
{
    for (size_t i = 0; i < l->fault_count; i++) {
        const struct fault_seen *f = &l->faults[i];
        if (!f->armed || strcmp(f->service, service) != 0)
            continue;
        if (f->endpoint_count == 0)
            return true;
        for (size_t k = 0; k < f->endpoint_count; k++)
            if (f->endpoints[k] == number)
                return true;
    }
    return false;
}

size_t live_faults_armed(const struct live *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->fault_count; i++)
        n += l->faults[i].armed;
    return n;
}

void live_faults_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret)
{
    for (size_t i = 0; i < l->fault_count; i++) {
        const struct fault_seen *f = &l->faults[i];
        if (!f->armed || now_ns >= ttl_end_of(l, f))
            continue;
        struct live_fault *to = &ret->faults[ret->fault_count++];
        uint64_t end_ns = end_of(l, f, now_ns);
        *to = (struct live_fault){.fired = f->fired, .reach_per_s = second_rate(f->ring, now_ns)};
        memcpy(to->text, f->text, sizeof(to->text));
        memcpy(to->place, f->place, sizeof(to->place));
        print_share(f, to->share, sizeof(to->share));
        to->left_ns = to->total_ns = UINT64_MAX;
        if (end_ns == UINT64_MAX)
            continue;
        to->left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
        to->total_ns = end_ns > f->armed_ns ? end_ns - f->armed_ns : 0;
    }
}
