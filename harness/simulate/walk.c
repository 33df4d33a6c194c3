/* A phase of the plan: its faults, its load, and what ends it. */
#include "simulate/scene.h"

#include "base/units.h"
#include "journal/look.h"

#include <math.h>

#define SILENCE_NS (NS_PER_S / 2)
#define SILENCE_ALPHA 1e-8
#define SILENCE_GAPS 4
#define SILENCE_PICKS 16
#define BACK_PICKS 5
#define LOOK_NS (5 * NS_PER_MS)
#define LONGEST_NS (600 * NS_PER_S)

/* As the conductor's own await sees it (engine/await.c). */
static bool is_silent(const struct scene *s, uint32_t host)
{
    const struct scene_host *h = &s->hosts[host];
    double least = ceil(log(SILENCE_ALPHA) / log1p(-0.5 / s->host_count));
    if (s->host_count < 2 || s->now_ns < h->last_ns + SILENCE_NS)
        return false;
    return (double)h->elsewhere >= least || (h->elsewhere >= SILENCE_PICKS && h->gap_ns > 0 &&
                                             s->now_ns - h->last_ns >= SILENCE_GAPS * h->gap_ns);
}

static bool is_met(const struct scene *s, const struct step *await)
{
    uint32_t first = await->on.to.endpoint, last = first;
    if (first > s->host_count)
        return false;
    if (first == 0) {
        first = 1;
        last = s->host_count;
    }
    bool out = strcmp(await->word, "ejected") == 0;
    for (uint32_t i = first; i <= last; i++) {
        const struct scene_host *h = &s->hosts[i - 1];
        uint64_t picks = h->picks - h->picks_before;
        bool met =
            out ? picks > 0 && is_silent(s, i - 1) : picks >= BACK_PICKS && !is_silent(s, i - 1);
        if (!met)
            return false;
    }
    return true;
}

/* False: it was late. */
static bool run_await(struct scene *s, const struct step *await)
{
    struct error err = {0};
    uint64_t within_ns = 0, begun_ns = s->now_ns;
    const char *text = json_string_value(json_object_get(await->keys, "within"));
    if (text == NULL || !units_parse_duration(text, &within_ns, &err))
        within_ns = NS_PER_S;
    for (uint32_t i = 0; i < s->host_count; i++)
        s->hosts[i].picks_before = s->hosts[i].picks;
    /* An endpoint that was silent before it began is told already. */
    if (strcmp(await->word, "ejected") == 0 && await->on.to.endpoint >= 1 &&
        await->on.to.endpoint <= s->host_count && is_silent(s, await->on.to.endpoint - 1))
        s->hosts[await->on.to.endpoint - 1].picks_before--;
    bool met = false;
    while (!met && s->now_ns < begun_ns + within_ns) {
        scene_run_until(s, s->now_ns + LOOK_NS);
        met = is_met(s, await);
    }
    journal_add_event(s->journal, s->phase_id, s->now_ns, "await",
                      json_pack("{s:s, s:s, s:b, s:I}", "word", await->word, "on",
                                await->has_on ? await->on.text : "", "met", met, "after_ns",
                                (json_int_t)(s->now_ns - begun_ns)));
    return met;
}

static void run_awaits(struct scene *s, const struct phase *p)
{
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i].kind == STEP_AWAIT && !run_await(s, &p->steps[i]))
            return; /* `late = go_on`: the phase is over */
}

static void tell_listener(struct scene *s, const struct rig *r, uint32_t host, uint64_t t_ns,
                          bool down)
{
    struct world_record w = {
        .at = t_ns,
        .after = NS_PER_US,
        .what = journal_add_name(s->journal, down ? "listener_down" : "listener_up"),
        .place = journal_add_name(s->journal, s->edge->to),
        .fault = r->step->fault,
        .endpoint = (uint16_t)(host + 1),
        .step = down ? 1 : 2,
        .read_back_ok = 1};
    journal_add(s->journal, SCENE_PROC_PROXY, RECORD_WORLD, &w);
}

/* A listener that is closed is journalled, as the fault proxies do. */
static void tell_listeners(struct scene *s, uint64_t end_ns)
{
    for (size_t i = 0; i < s->rigs.count; i++) {
        const struct rig *r = &s->rigs.at[i];
        for (uint32_t h = 0; r->kind == RIG_REFUSE && h < s->host_count; h++) {
            if ((r->host != UINT32_MAX && r->host != h) || r->from_ns >= end_ns)
                continue;
            tell_listener(s, r, h, r->from_ns, true);
            scene_add(s, EVENT_DOWN, h, 0, r->from_ns);
            tell_listener(s, r, h, r->to_ns < end_ns ? r->to_ns : end_ns, false);
        }
    }
}

void scene_walk(struct scene *s, uint32_t ordinal, uint32_t again)
{
    const struct phase *p = &s->scenario->phases[ordinal];
    bool by_clock = p->ends == PHASE_BY_CLOCK;
    uint64_t t0_ns = s->now_ns, end_ns = by_clock ? t0_ns + p->lasting_ns : t0_ns + LONGEST_NS;
    char name[LOOK_NAME_MOST];
    look_name(name, sizeof(name), p->name, again, false);
    s->phase = p;
    s->phase_id++;
    rigs_add(&s->rigs, s->journal, p, t0_ns);
    if (by_clock)
        tell_listeners(s, end_ns);
    scene_load_begin(s, p, end_ns);
    if (by_clock)
        scene_run_until(s, end_ns);
    else
        run_awaits(s, p);
    rigs_end(&s->rigs, p->name);
    struct journal_phase row = {.phase = s->phase_id,
                                .ordinal = ordinal,
                                .arm = s->arm,
                                .name = name,
                                .why = by_clock ? "clock" : "event",
                                .t0_ns = t0_ns,
                                .t1_ns = s->now_ns};
    journal_add_phase(s->journal, &row);
}
