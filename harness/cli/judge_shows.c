#include "cli/judge_shows.h"

#include "base/clock.h"
#include "simulate/draw.h"

/* Of the claims (spec/verifier.md 3.1 to 3.3), with room for what they must allow. */
#define EARLY_NS (18 * NS_PER_MS)    /* of a try that is cut too early */
#define BACKOFF_NS (100 * NS_PER_MS) /* 66 gaps tell a base from its double from here on */
#define CONSTANT_NS (25 * NS_PER_MS) /* and a constant one from jitter */
#define LATE_SHARE 20                /* T is late by 5 % */
#define LINKERD_WAIT_NS (125 * NS_PER_MS)
#define ROOM_NS (100 * NS_PER_MS)

static uint64_t number(const struct value *v)
{
    return v->set ? v->number : 0;
}

static bool has_retries(const struct edge_policy *e)
{
    return number(&e->retry.attempts) > 0;
}

static bool retries_status(const struct edge_policy *e)
{
    static const uint16_t statuses[] = {500, 502, 503, 504};
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        any = any || retry_rule_covers(e, CAUSE_STATUS, statuses[i]);
    return has_retries(e) && any;
}

static bool retries_any(const struct edge_policy *e)
{
    return retries_status(e) || (has_retries(e) && retry_rule_covers(e, CAUSE_RESET, 0));
}

/* One retry more still comes before T: Linkerd waits at least b_n before each. */
static bool more_fits(const struct edge_policy *e)
{
    uint64_t sum = ROOM_NS, wait = CONSTANT_NS, t = number(&e->request_timeout);
    for (uint64_t i = 0; i <= number(&e->retry.attempts); i++, wait *= 2)
        sum += 2 * (wait < LINKERD_WAIT_NS ? wait : LINKERD_WAIT_NS);
    return retries_any(e) && (t == 0 || sum < t);
}

static bool retries_holds(const struct edge_policy *e)
{
    return has_retries(e) && number(&e->retry.per_try_timeout) > 0 &&
           retry_rule_covers(e, CAUSE_HOLD, 0);
}

static bool unsafe_shows(const struct edge_policy *e)
{
    return has_retries(e) && draw_is_safe(e);
}

static bool retries_resets(const struct edge_policy *e)
{
    return has_retries(e) && retry_rule_covers(e, CAUSE_RESET, 0);
}

static bool early_shows(const struct edge_policy *e)
{
    return number(&e->retry.per_try_timeout) / 10 > EARLY_NS;
}

/* All tries together outlast T, and the last one ends later than T allows. */
static bool outlasts(const struct edge_policy *e)
{
    uint64_t t = number(&e->request_timeout), p = number(&e->retry.per_try_timeout);
    return retries_holds(e) && p < t &&
           (1 + e->retry.attempts.number) * p > t + t / LATE_SHARE + ROOM_NS;
}

/* A request that nobody answers meets T. */
static bool meets_timeout(const struct edge_policy *e)
{
    uint64_t t = number(&e->request_timeout), p = number(&e->retry.per_try_timeout);
    bool two = e->outlier.present && outlier_rule_threshold(&e->outlier, true) <= 2;
    if (t == 0 || two) /* so few failures eject that none is held */
        return false;
    if (p == 0 || p >= t || e->flavour == FLAVOUR_LINKERD)
        return true;
    uint64_t tries = retries_holds(e) ? 1 + e->retry.attempts.number : 1;
    return tries * p > t + ROOM_NS;
}

static bool half_shows(const struct edge_policy *e)
{
    uint64_t base = number(&e->outlier.base_ejection);
    return base / 2 + number(&e->outlier.interval) + ROOM_NS < base;
}

static bool repeat_shows(const struct edge_policy *e)
{
    return number(&e->outlier.interval) + ROOM_NS < number(&e->outlier.base_ejection);
}

static uint64_t base_ns(const struct edge_policy *e)
{
    return e->retry.backoff_base.set ? e->retry.backoff_base.number : CONSTANT_NS;
}

static bool doubled_shows(const struct edge_policy *e)
{
    return base_ns(e) >= BACKOFF_NS && retries_any(e);
}

static bool constant_shows(const struct edge_policy *e)
{
    return base_ns(e) >= CONSTANT_NS && retries_any(e);
}

/* The second penalty may be longer than the first. */
static bool grows(const struct edge_policy *e)
{
    return number(&e->accrual.max_penalty) >= number(&e->accrual.min_penalty) + ROOM_NS;
}

/* Twenty retries of each of twelve requests a second are more than the tokens of a second. */
static bool ignored_shows(const struct edge_policy *e)
{
    return number(&e->budget.least) < 100;
}

static bool has_reserve(const struct edge_policy *e)
{
    return number(&e->budget.least) > 0;
}

/* A share of the tries of a second or two is more than what is there for all, and there is room
 * for more at once. */
static bool total_shows(const struct edge_policy *e)
{
    return e->budget.kind == BUDGET_ENVOY &&
           number(&e->budget.ratio_ppm) * 200 / 1000000 > number(&e->budget.least) + 4;
}

static bool more_than_one(const struct edge_policy *e)
{
    return number(&e->rate.per_second) > 1;
}

/* Where 0.8 of the limit in all is more than a tenth of it for each. */
static bool tenth_shows(const struct edge_policy *e)
{
    return number(&e->rate.per_second) >= 10 && e->endpoints < 7;
}

/* No made plan cuts a control plane (scenario-language.md 1.8). */
static bool never_shows(const struct edge_policy *e)
{
    (void)e;
    return false;
}

bool judge_shows(const char *defect, const struct edge_policy *edge)
{
    static const struct {
        const char *defect;
        bool (*shows)(const struct edge_policy *edge);
    } rows[] = {
        {"one_retry_more", retries_any},
        {"linkerd_retry_more", more_fits},
        {"one_retry_fewer", retries_any},
        {"linkerd_retry_fewer", more_fits},
        {"never_retries_resets", retries_resets},
        {"retries_400", has_retries},
        {"linkerd_retries_400", has_retries},
        {"retries_after_start", has_retries},
        {"linkerd_retries_started", has_retries},
        {"per_try_from_request_start", retries_holds},
        {"per_try_10_early", early_shows},
        {"request_timeout_20_late", meets_timeout},
        {"request_timeout_restarts", outlasts},
        {"timeout_as_200", meets_timeout},
        {"linkerd_timeout_as_200", meets_timeout},
        {"ejection_half", half_shows},
        {"ejection_repeat_not_grown", repeat_shows},
        {"backoff_constant", constant_shows},
        {"backoff_none", constant_shows},
        {"backoff_doubled", doubled_shows},
        {"retries_unsafe", unsafe_shows},
        {"retries_not_counted", has_retries},
        {"retry_same_host", retries_any},
        {"accrual_not_grown", grows},
        {"budget_of_total", total_shows},
        {"budget_ignored", ignored_shows},
        {"budget_doubled", has_reserve},
        {"rate_limit_half_more", more_than_one},
        {"rate_limit_tenth", tenth_shows},
        {"drops_policy_when_cut", never_shows},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].defect, defect) == 0)
            return rows[i].shows(edge);
    return true;
}
