#include "explore/draw.h"

#include "base/clock.h"
#include "base/rng.h"

#define STREAM UINT64_C(0x6578706c6f7265) /* "explore": apart from every other stream of a seed */
#define TURNS_MOST 200
#define DELAY_LEAST_NS (10 * NS_PER_MS)

static uint64_t on_grid(uint64_t ns)
{
    return ns / SCHEDULE_GRID_NS * SCHEDULE_GRID_NS;
}

static const struct drawable *draw_drawable(const struct space_service *service, struct rng *rng)
{
    uint64_t at = rng_below(rng, service->weight);
    for (size_t i = 0; i < service->drawable_count; i++) {
        if (at < service->drawables[i]->weight)
            return service->drawables[i];
        at -= service->drawables[i]->weight;
    }
    UNREACHABLE();
}

/* Between ${least} and ${most}, each order of magnitude alike. */
static uint64_t draw_wide(struct rng *rng, uint64_t least, uint64_t most)
{
    uint64_t at = least;
    while (at < most / 2 && rng_below(rng, 4) != 0)
        at *= 2;
    return at + rng_below(rng, (at < most - at ? at : most - at) + 1);
}

/* Every second time a delay that a timeout of the policy decides about: within it, at it, beyond
 * it. */
static uint64_t draw_time(const struct space *space, const struct dial *dial, struct rng *rng)
{
    static const uint32_t percents[] = {50, 75, 90, 105, 125, 200};
    uint64_t most = dial->most < space->delay_most_ns ? dial->most : space->delay_most_ns,
             least = dial->least < most ? dial->least : most, ns;
    if (space->mark_count > 0 && rng_below(rng, 2) == 0)
        ns = space->marks_ns[rng_below(rng, space->mark_count)] / 100 *
             percents[rng_below(rng, COUNT_OF(percents))];
    else
        ns = draw_wide(
            rng, least > DELAY_LEAST_NS || most < DELAY_LEAST_NS ? least : DELAY_LEAST_NS, most);
    ns = ns / NS_PER_MS * NS_PER_MS;
    ns = ns > most ? most : ns;
    return ns < least ? least : ns;
}

static uint64_t draw_dial(const struct space *space, const struct dial *dial, struct rng *rng)
{
    static const uint64_t percents[] = {5, 10, 20, 30, 50, 70};
    size_t count = 0;
    bool absent = rng_below(rng, 100) < dial->absent_percent;
    /* A limit on shares holds for what says none, too. */
    if (absent && (dial->kind != DIAL_SHARE || space->share_most_ppm >= 1000000))
        return DIAL_ABSENT;
    switch (dial->kind) {
    case DIAL_CHOICE:
        while (dial->choices[count] != NULL)
            count++;
        return rng_below(rng, count);
    case DIAL_COUNT:
        return dial->least + rng_below(rng, dial->most - dial->least + 1);
    case DIAL_TIME:
        return draw_time(space, dial, rng);
    case DIAL_SIZE:
        return draw_wide(rng, dial->least, dial->most);
    case DIAL_SHARE:
        while (count < COUNT_OF(percents) && percents[count] * 10000 <= space->share_most_ppm)
            count++;
        return count == 0 ? space->share_most_ppm : percents[rng_below(rng, count)] * 10000;
    }
    UNREACHABLE();
}

/* The whole phase, or a part of it that is no shorter than a tenth. */
static void draw_window(uint64_t lasting_ns, struct rng *rng, struct scheduled *f)
{
    f->from_ns = 0;
    f->to_ns = UINT64_MAX;
    if (rng_below(rng, 5) < 2)
        return;
    uint64_t least = lasting_ns / 10 > SCHEDULE_GRID_NS ? lasting_ns / 10 : SCHEDULE_GRID_NS;
    f->from_ns = on_grid(rng_below(rng, lasting_ns * 7 / 10 + 1));
    uint64_t room = lasting_ns - f->from_ns - least;
    uint64_t to_ns = on_grid(f->from_ns + least + rng_below(rng, room + 1));
    to_ns = to_ns > f->from_ns ? to_ns : f->from_ns + SCHEDULE_GRID_NS;
    if (rng_below(rng, 3) != 0 && to_ns < lasting_ns)
        f->to_ns = to_ns;
}

static void draw_fault(const struct space *space, struct rng *rng, struct scheduled *f)
{
    const struct space_service *service = &space->services[rng_below(rng, space->service_count)];
    *f = (struct scheduled){.what = draw_drawable(service, rng), .service = service->name};
    bool all = service->all && rng_below(rng, 2) == 0;
    f->endpoint = all ? 0 : 1 + (uint32_t)rng_below(rng, service->endpoints);
    draw_window(space->lasting_ns, rng, f);
    for (size_t i = 0; i < f->what->dial_count; i++)
        f->dials[i] = draw_dial(space, &f->what->dials[i], rng);
}

/* Few more often than many: what shows with one fault is found with one. */
static size_t draw_count(struct rng *rng)
{
    uint64_t at = rng_below(rng, 100);
    return at < 35 ? 1 : at < 65 ? 2 : at < 85 ? 3 : SPACE_FAULTS_MOST;
}

bool draw_schedule(const struct space *space, uint64_t seed, uint64_t trial, struct schedule *ret,
                   struct error *err)
{
    struct rng rng = rng_for(seed, STREAM, trial, 0, 0);
    size_t want = draw_count(&rng);
    struct error last = {0};
    *ret = (struct schedule){.lasting_ns = space->lasting_ns};
    for (size_t turn = 0; turn < TURNS_MOST && ret->count < want; turn++) {
        struct error broke = {0};
        draw_fault(space, &rng, &ret->faults[ret->count]);
        ret->count++;
        if (!space_fits(space, ret, &broke)) {
            ret->count--;
            last = broke;
        }
        if (turn >= TURNS_MOST / 10 && ret->count > 0)
            break; /* the limits leave no room for one more */
    }
    if (ret->count > 0)
        return true;
    *err = last;
    error_prefix(err, "no fault that may be drawn keeps within the limits: ");
    return false;
}
