#include "reports/axis.h"

#include "base/check.h"
#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#define WHOLE_PPM 1000000
#define LOG_LEAST NS_PER_US

void axis_init(struct axis *a, enum axis_kind kind, uint64_t low, uint64_t high, int32_t from_px10,
               int32_t to_px10)
{
    if (kind == AXIS_LOG && low < LOG_LEAST)
        low = LOG_LEAST;
    /* the last of the samples lies at no percentile that could be drawn */
    if (kind == AXIS_PERCENTILE && high >= WHOLE_PPM)
        high = WHOLE_PPM - 1;
    if (high <= low)
        high = low == UINT64_MAX ? low-- : low + 1;
    *a = (struct axis){kind, low, high, from_px10, to_px10};
}

/* 0 at the low end, 1 at the high one. */
static double place(const struct axis *a, uint64_t value)
{
    double low = (double)a->low, high = (double)a->high, at = (double)value;
    switch (a->kind) {
    case AXIS_COUNT:
    case AXIS_TIME:
        return (double)(value - a->low) / (double)(a->high - a->low);
    case AXIS_LOG:
        return log10(at / low) / log10(high / low);
    case AXIS_PERCENTILE:
        return log10((WHOLE_PPM - low) / (WHOLE_PPM - at)) /
               log10((WHOLE_PPM - low) / (WHOLE_PPM - high));
    }
    UNREACHABLE();
}

int32_t axis_px(const struct axis *a, uint64_t value)
{
    if (value <= a->low)
        return a->from_px10;
    if (value >= a->high)
        return a->to_px10;
    return a->from_px10 + (int32_t)lround(place(a, value) * (a->to_px10 - a->from_px10));
}

size_t axis_ticks_most(int32_t width_px10)
{
    int32_t most = 5 + (width_px10 / 10 - 400) * (AXIS_TICKS_MOST - 5) / (1180 - 400);
    return most < 2 ? 2 : most > AXIS_TICKS_MOST ? AXIS_TICKS_MOST : (size_t)most;
}

uint64_t axis_floor(uint64_t value)
{
    uint64_t ten = 1;
    while (value / 10 >= ten)
        ten *= 10;
    return value >= 5 * ten ? 5 * ten : value >= 2 * ten ? 2 * ten : ten;
}

uint64_t axis_ceiling(uint64_t value)
{
    uint64_t floor = axis_floor(value), ten = 1;
    if (floor >= value)
        return floor;
    while (floor / 10 >= ten)
        ten *= 10;
    /* past the last that fits, the value itself is the end */
    if (floor == 5 * ten)
        return ten > UINT64_MAX / 10 ? value : 10 * ten;
    return floor == 2 * ten ? 5 * ten : 2 * ten;
}

const char *axis_print_time(uint64_t ns, char *to, size_t size)
{
    uint64_t s = ns / NS_PER_S, ms = ns % NS_PER_S / NS_PER_MS;
    char clock[20], part[8] = "";
    if (s >= 3600)
        snprintf(clock, sizeof(clock), "%" PRIu64 ":%02d:%02d", s / 3600 % 100000,
                 (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(clock, sizeof(clock), "%d:%02d", (int)(s / 60), (int)(s % 60));
    if (ms % 100 == 0 && ms != 0)
        snprintf(part, sizeof(part), ".%d", (int)(ms / 100));
    else if (ms != 0)
        snprintf(part, sizeof(part), ".%03d", (int)ms);
    snprintf(to, size, "%s%s", clock, part);
    return to;
}

const char *axis_print_ms(uint64_t ns, char *to, size_t size)
{
    uint64_t us = (ns + NS_PER_US / 2) / NS_PER_US, ms = us / 1000;
    int rest = (int)(us % 1000), digits = 3;
    for (; rest != 0 && rest % 10 == 0; digits--)
        rest /= 10;
    if (rest == 0)
        snprintf(to, size, "%" PRIu64, ms);
    else
        snprintf(to, size, "%" PRIu64 ".%0*d", ms, digits, rest);
    return to;
}

const char *axis_print_span(uint64_t ns, char *to, size_t size)
{
    uint64_t tenths = ns / (NS_PER_S / 10) + (ns % (NS_PER_S / 10) >= NS_PER_S / 20 ? 1 : 0);
    char ms[24];
    if (ns < NS_PER_S)
        snprintf(to, size, "%s ms", axis_print_ms(ns, ms, sizeof(ms)));
    else if (tenths % 10 == 0)
        snprintf(to, size, "%" PRIu64 " s", tenths / 10);
    else
        snprintf(to, size, "%" PRIu64 ".%d s", tenths / 10, (int)(tenths % 10));
    return to;
}

static void label(enum axis_kind kind, struct axis_tick *tick)
{
    char *to = tick->label;
    switch (kind) {
    case AXIS_COUNT:
        snprintf(to, sizeof(tick->label), "%" PRIu64, tick->value);
        return;
    case AXIS_TIME:
        axis_print_time(tick->value, to, sizeof(tick->label));
        return;
    case AXIS_LOG:
        axis_print_ms(tick->value, to, sizeof(tick->label));
        return;
    case AXIS_PERCENTILE: {
        int whole = (int)(tick->value / 10000), rest = (int)(tick->value % 10000), digits = 4;
        for (; rest != 0 && rest % 10 == 0; digits--)
            rest /= 10;
        if (rest == 0)
            snprintf(to, sizeof(tick->label), "%d", whole);
        else
            snprintf(to, sizeof(tick->label), "%d.%0*d", whole, digits, rest);
        return;
    }
    }
    UNREACHABLE();
}

static size_t put(const struct axis *a, uint64_t value, struct axis_tick *ret, size_t count)
{
    ret[count] = (struct axis_tick){.value = value, .px10 = axis_px(a, value)};
    label(a->kind, &ret[count]);
    return count + 1;
}

/* The least step with which at most ${most} multiples lie in the domain. */
static uint64_t step_of(const struct axis *a, size_t most)
{
    static const uint64_t times_ms[] = {
        1,    2,     5,     10,    20,    50,     100,    200,    500,    1000,    2000,
        5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 900000, 1800000, 3600000};
    uint64_t step = 1;
    for (size_t i = 0;; i++) {
        if (a->kind == AXIS_COUNT)
            step = i == 0 ? 1 : axis_ceiling(step + 1);
        else
            step = i < COUNT_OF(times_ms) ? times_ms[i] * NS_PER_MS : 2 * step;
        if (a->high / step - a->low / step + (a->low % step == 0) <= most || step > UINT64_MAX / 4)
            return step;
    }
}

static size_t linear(const struct axis *a, size_t most, struct axis_tick *ret)
{
    uint64_t step = step_of(a, most), first = a->low % step == 0 ? 0 : 1;
    size_t count = 0;
    for (uint64_t k = a->low / step + first; k <= a->high / step && count < most; k++)
        count = put(a, k * step, ret, count);
    return count;
}

static bool is_power_of_ten(uint64_t value)
{
    while (value % 10 == 0 && value != 0)
        value /= 10;
    return value == 1;
}

/* All of 1, 2 and 5; the powers of ten alone where those are too many; then each 2nd, 3rd, ... of
 * these. */
static size_t logarithmic(const struct axis *a, size_t most, struct axis_tick *ret)
{
    for (unsigned each = 0;; each++) {
        size_t count = 0;
        unsigned power = 0;
        bool fits = true;
        for (uint64_t v = 1; v <= a->high && fits; v = axis_ceiling(v + 1)) {
            bool ten = is_power_of_ten(v);
            power += ten ? 1 : 0;
            if (v >= a->low && (each == 0 || (ten && power % each == 0))) {
                fits = count < most;
                count = fits ? put(a, v, ret, count) : count;
            }
            if (v > UINT64_MAX / 4)
                break;
        }
        if (fits)
            return count;
    }
}

static size_t percentiles(const struct axis *a, size_t most, struct axis_tick *ret)
{
    static const uint64_t at[] = {500000, 900000, 990000, 999000, 999900, 999990, 999999};
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(at) && count < most; i++)
        if (at[i] >= a->low && at[i] <= a->high)
            count = put(a, at[i], ret, count);
    return count;
}

size_t axis_ticks(const struct axis *a, size_t most, struct axis_tick *ret)
{
    most = most < 1 ? 1 : most > AXIS_TICKS_MOST ? AXIS_TICKS_MOST : most;
    switch (a->kind) {
    case AXIS_COUNT:
    case AXIS_TIME:
        return linear(a, most, ret);
    case AXIS_LOG:
        return logarithmic(a, most, ret);
    case AXIS_PERCENTILE:
        return percentiles(a, most, ret);
    }
    UNREACHABLE();
}
