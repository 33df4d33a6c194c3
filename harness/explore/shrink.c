#include "explore/shrink.h"

#include "base/clock.h"

#include <stdlib.h>

#define LASTING_LEAST_NS NS_PER_S
#define KNOWN_MOST 512 /* schedules that were tried; what comes later may be tried twice */
#define ROUNDS_MOST 4

struct shrinker {
    const struct shrink_oracle *oracle;
    struct schedule best;
    struct schedule known[KNOWN_MOST];
    size_t known_count, asked;
    bool stopped;
};

static bool is_known(const struct shrinker *k, const struct schedule *s)
{
    for (size_t i = 0; i < k->known_count; i++)
        if (schedule_equal(&k->known[i], s))
            return true;
    return false;
}

/* Takes ${s} for the best when it fails still. */
static bool try_it(struct shrinker *k, const struct schedule *s)
{
    if (k->stopped || schedule_equal(s, &k->best) || is_known(k, s) ||
        !k->oracle->fits(k->oracle->cookie, s))
        return false;
    if (!k->oracle->may_go_on(k->oracle->cookie)) {
        k->stopped = true;
        return false;
    }
    if (k->known_count < KNOWN_MOST)
        k->known[k->known_count++] = *s;
    k->asked++;
    if (!k->oracle->fails(k->oracle->cookie, s))
        return false;
    k->best = *s;
    return true;
}

/* The faults [from, to) of ${s} alone, or all but them. */
static struct schedule part_of(const struct schedule *s, size_t from, size_t to, bool inside)
{
    struct schedule part = {.lasting_ns = s->lasting_ns};
    for (size_t i = 0; i < s->count; i++)
        if ((i >= from && i < to) == inside)
            part.faults[part.count++] = s->faults[i];
    return part;
}

/* One of ${n} parts alone fails, or all but one of them do. */
static bool drop_some(struct shrinker *k, size_t n, bool alone)
{
    const struct schedule all = k->best;
    for (size_t i = 0; i < n; i++) {
        size_t from = all.count * i / n, to = all.count * (i + 1) / n;
        struct schedule part = part_of(&all, from, to, alone);
        if (part.count > 0 && try_it(k, &part))
            return true;
    }
    return false;
}

static bool fewer_faults(struct shrinker *k)
{
    size_t n = 2, before = k->best.count;
    while (k->best.count > 1 && !k->stopped) {
        if (drop_some(k, n, true)) {
            n = 2;
        } else if (n > 2 && drop_some(k, n, false)) {
            n = n - 1 > 2 ? n - 1 : 2;
        } else if (n < k->best.count) {
            n = 2 * n < k->best.count ? 2 * n : k->best.count;
        } else {
            break;
        }
    }
    return k->best.count < before;
}

/* In steps of the grid; an eighth more than the least is near enough. */
static bool is_near(uint64_t low, uint64_t high)
{
    return high - low <= high / 8;
}

static uint64_t end_of(const struct schedule *s, const struct scheduled *f)
{
    return (f->to_ns == UINT64_MAX ? s->lasting_ns : f->to_ns) / SCHEDULE_GRID_NS;
}

/* A phase that ends with its faults shows what a longer one does. */
static bool shorter_phase(struct shrinker *k)
{
    bool any = false;
    uint64_t low = LASTING_LEAST_NS / SCHEDULE_GRID_NS,
             high = k->best.lasting_ns / SCHEDULE_GRID_NS;
    for (size_t i = 0; i < k->best.count; i++) {
        uint64_t begins = k->best.faults[i].from_ns / SCHEDULE_GRID_NS + 1;
        low = begins > low ? begins : low;
    }
    uint64_t middle = low; /* most failures show at once */
    while (!k->stopped && low < high && !is_near(low, high)) {
        struct schedule s = k->best;
        s.lasting_ns = middle * SCHEDULE_GRID_NS;
        for (size_t i = 0; i < s.count; i++)
            if (s.faults[i].to_ns >= s.lasting_ns)
                s.faults[i].to_ns = UINT64_MAX;
        bool failed = try_it(k, &s);
        any = any || failed;
        high = failed ? middle : high;
        low = failed ? low : middle + 1;
        middle = low + (high - low) / 2;
    }
    return any;
}

/* The end of one fault's window, as early as it fails still. */
static bool earlier_end(struct shrinker *k, size_t at)
{
    bool any = false;
    uint64_t from = k->best.faults[at].from_ns / SCHEDULE_GRID_NS, low = from + 1,
             high = end_of(&k->best, &k->best.faults[at]);
    while (!k->stopped && low < high && !is_near(low - from, high - from)) {
        struct schedule s = k->best;
        uint64_t middle = low + (high - low) / 2;
        s.faults[at].to_ns = middle * SCHEDULE_GRID_NS;
        bool failed = try_it(k, &s);
        any = any || failed;
        high = failed ? middle : high;
        low = failed ? low : middle + 1;
    }
    return any;
}

/* And its beginning, as late. */
static bool later_beginning(struct shrinker *k, size_t at)
{
    bool any = false;
    uint64_t end = end_of(&k->best, &k->best.faults[at]),
             low = k->best.faults[at].from_ns / SCHEDULE_GRID_NS, high = end - 1;
    while (!k->stopped && low < high && !is_near(end - high, end - low)) {
        struct schedule s = k->best;
        uint64_t middle = low + (high - low + 1) / 2;
        s.faults[at].from_ns = middle * SCHEDULE_GRID_NS;
        bool failed = try_it(k, &s);
        any = any || failed;
        low = failed ? middle : low;
        high = failed ? high : middle - 1;
    }
    return any;
}

static bool with_window(struct shrinker *k, size_t at, uint64_t from_ns, uint64_t to_ns)
{
    struct schedule s = k->best;
    s.faults[at].from_ns = from_ns;
    s.faults[at].to_ns = to_ns;
    return try_it(k, &s);
}

/* In force throughout is the simplest to read; where the claim needs a beginning or an end, as
 * short as it can be. */
static bool simpler_windows(struct shrinker *k)
{
    bool any = false;
    for (size_t i = 0; i < k->best.count && !k->stopped; i++) {
        const struct scheduled *f = &k->best.faults[i];
        if (scheduled_is_whole(f))
            continue;
        if (with_window(k, i, 0, UINT64_MAX) || with_window(k, i, f->from_ns, UINT64_MAX) ||
            with_window(k, i, 0, f->to_ns))
            any = true;
        if (f->to_ns != UINT64_MAX)
            any = earlier_end(k, i) || any;
        if (f->from_ns != 0)
            any = later_beginning(k, i) || any;
    }
    return shorter_phase(k) || any;
}

/* The simplest value of one dial that fails still. */
static bool simpler_value(struct shrinker *k, size_t at, size_t d)
{
    uint64_t simpler[DIAL_SIMPLER_MOST];
    size_t count =
        dial_simpler(&k->best.faults[at].what->dials[d], k->best.faults[at].dials[d], simpler);
    for (size_t i = 0; i < count; i++) {
        struct schedule s = k->best;
        s.faults[at].dials[d] = simpler[i];
        if (try_it(k, &s))
            return true;
    }
    return false;
}

static bool simpler_dials(struct shrinker *k, size_t at)
{
    bool any = false;
    for (size_t d = 0; d < k->best.faults[at].what->dial_count && !k->stopped; d++)
        while (simpler_value(k, at, d)) /* each is less than the one before */
            any = true;
    return any;
}

/* One endpoint instead of all, and then each dial of each fault. */
static bool simpler_parameters(struct shrinker *k)
{
    bool any = false;
    for (size_t i = 0; i < k->best.count && !k->stopped; i++) {
        struct schedule s = k->best;
        if (s.faults[i].endpoint == 0) {
            s.faults[i].endpoint = 1;
            any = try_it(k, &s) || any;
        }
        any = simpler_dials(k, i) || any;
    }
    return any;
}

void shrink_schedule(struct schedule *s, const struct shrink_oracle *oracle,
                     struct shrink_result *ret)
{
    struct shrinker *k = check_alloc_zero(1, sizeof(*k));
    bool smaller = true;
    k->oracle = oracle;
    k->best = *s;
    for (size_t round = 0; smaller && round < ROUNDS_MOST && !k->stopped; round++) {
        smaller = fewer_faults(k);
        smaller = simpler_windows(k) || smaller;
        smaller = simpler_parameters(k) || smaller;
    }
    *s = k->best;
    *ret = (struct shrink_result){.asked = k->asked, .minimal = !k->stopped && !smaller};
    free(k);
}
