#include "model/budget.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define S NS_PER_S
#define MS NS_PER_MS

static struct budget start(uint64_t ratio_ppm, uint64_t least, uint64_t ttl_ns)
{
    struct edge_policy edge = {.flavour = FLAVOUR_LINKERD};
    edge.retry.by_budget = true;
    edge.budget = (struct budget_rule){.kind = BUDGET_LINKERD,
                                       .ratio_ppm = {.number = ratio_ppm, .set = true},
                                       .least = {.number = least, .set = true},
                                       .interval = {.number = ttl_ns, .set = true}};
    struct budget_config c = budget_config_of(&edge);
    struct budget b;
    budget_init(&b, &c, S);
    return b;
}

/* How many retries are granted at one moment. */
static uint64_t burst(struct budget *b, uint64_t now_ns)
{
    uint64_t ret = 0;
    while (budget_take(b, now_ns))
        ret++;
    return ret;
}

static void the_reserve_is_there_at_once(void **unused)
{
    (void)unused;
    struct budget b = start(200000, 10, 10 * S);
    assert_int_equal(burst(&b, S), 100);
    assert_int_equal(b.refused, 1);
    b = start(200000, 5, 4500 * MS); /* whole seconds only */
    assert_int_equal(burst(&b, S), 20);
}

static void answers_pay_in_whole_tokens(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t ratio_ppm, answers, retries;
    } rows[] = {
        {200000, 14, 2},   /* five answers each */
        {300000, 14, 4},   /* three each: a third, not 30 % */
        {1000000, 14, 14}, /* one each */
        {2000000, 14, 28}, /* two retries an answer */
        {0, 14, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct budget b = start(rows[i].ratio_ppm, 0, 10 * S);
        for (uint64_t n = 0; n < rows[i].answers; n++)
            budget_pay(&b, S);
        if (burst(&b, S) != rows[i].retries)
            fail_msg("row %zu", i);
    }
}

/* 12 a second, none is answered, for ${length_ns}: when each retry was granted. */
static size_t granted(uint64_t ratio_ppm, uint64_t length_ns, uint64_t *at, size_t most)
{
    struct budget b = start(ratio_ppm, 10, 10 * S);
    size_t count = 0;
    for (uint64_t now_ns = S; now_ns < S + length_ns; now_ns += S / 12)
        while (budget_take(&b, now_ns) && count < most)
            at[count++] = now_ns;
    return count;
}

/* linkerd-measured.md 4: 100 at once, then 100 more every 5 to 6 s, so 200 within a ttl, and 100
 * within half of one. */
static void what_was_taken_comes_back_after_half_a_ttl(void **unused)
{
    (void)unused;
    uint64_t at[1000];
    size_t count = granted(200000, 30 * S, at, COUNT_OF(at)), most_half = 0, most_whole = 0;
    for (size_t i = 0; i < count; i++) {
        size_t half = 0, whole = 0;
        for (size_t k = i; k < count; k++) {
            half += at[k] <= at[i] + 5 * S;
            whole += at[k] <= at[i] + 10 * S;
        }
        most_half = half > most_half ? half : most_half;
        most_whole = whole > most_whole ? whole : most_whole;
    }
    assert_int_equal(most_half, 100);
    assert_int_equal(most_whole, 200);
    assert_in_range(at[100] - at[0], 5 * S, 7 * S); /* six turns of a little over a second */
}

static void after_a_silence_of_a_ttl_all_is_there_again(void **unused)
{
    (void)unused;
    struct budget b = start(200000, 10, 10 * S);
    budget_pay(&b, S);
    (void)burst(&b, S);
    assert_int_equal(burst(&b, S + 10 * S), 0); /* it lies in the slot that is closed now */
    assert_int_equal(burst(&b, S + 200 * S), 100);
}

static void where_nothing_is_declared_nothing_is_refused(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_LINKERD};
    struct budget_config c = budget_config_of(&edge);
    struct budget b;
    budget_init(&b, &c, S);
    budget_pay(&b, S);
    assert_true(budget_take(&b, S));
    assert_int_equal(b.now, 0);
    edge = (struct edge_policy){.flavour = FLAVOUR_ENVOY, .budget.kind = BUDGET_ENVOY};
    assert_false(budget_config_of(&edge).present);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reserve_is_there_at_once),
        cmocka_unit_test(answers_pay_in_whole_tokens),
        cmocka_unit_test(what_was_taken_comes_back_after_half_a_ttl),
        cmocka_unit_test(after_a_silence_of_a_ttl_all_is_there_again),
        cmocka_unit_test(where_nothing_is_declared_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
