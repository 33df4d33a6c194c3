#include "mesh/defects.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define S NS_PER_S
#define MS NS_PER_MS

static struct value number(uint64_t n)
{
    return (struct value){.number = n, .set = true};
}

/* A policy that says something of everything, so that every defect has something to spoil. */
static struct edge_policy full(enum flavour flavour)
{
    struct edge_policy p = {.flavour = flavour, .from = "checkout", .to = "payments"};
    p.retry.attempts = number(3);
    p.retry.per_try_timeout = number(600 * MS);
    p.retry.on = RETRY_5XX;
    p.retry.other_host = true;
    p.request_timeout = number(2 * S);
    p.outlier = (struct outlier_rule){.present = true,
                                      .consecutive_5xx = number(5),
                                      .interval = number(S),
                                      .base_ejection = number(2 * S),
                                      .max_ejection_percent = number(34)};
    p.accrual = (struct accrual_rule){.present = true};
    p.budget =
        (struct budget_rule){.kind = flavour == FLAVOUR_ENVOY ? BUDGET_ENVOY : BUDGET_LINKERD,
                             .ratio_ppm = number(200000),
                             .least = number(10),
                             .interval = number(10 * S)};
    p.rate = (struct rate_rule){.present = true, .per_second = number(50), .burst = number(50)};
    p.pool = (struct pool_rule){.max_connections = number(2),
                                .max_pending = number(3),
                                .max_requests = number(10),
                                .requests_per_connection = number(4)};
    return p;
}

static struct model_config spoilt(const char *defect)
{
    const struct defect *d = defect_find(defect);
    assert_non_null(d);
    struct edge_policy policy = full(d->flavour);
    struct model_config m = model_config_of(&policy);
    defect_apply(d, &m);
    return m;
}

static void every_row_is_whole_and_changes_the_models(void **unused)
{
    (void)unused;
    size_t count;
    const struct defect *all = defects(&count);
    assert_true(count >= 40);
    for (size_t i = 0; i < count; i++) {
        struct edge_policy policy = full(all[i].flavour);
        struct model_config right, wrong;
        /* A ServiceProfile's retries have no bound and no back-off to spoil. */
        policy.retry.by_budget = strcmp(all[i].claim, "budget.linkerd") == 0;
        memset(&right, 0, sizeof(right)); /* padding too: the two are compared whole */
        right = model_config_of(&policy);
        memcpy(&wrong, &right, sizeof(wrong));
        defect_apply(&all[i], &wrong);
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): one is a copy of the other */
        if (memcmp(&right, &wrong, sizeof(right)) == 0)
            fail_msg("%s changes nothing", all[i].name);
        assert_ptr_equal(defect_find(all[i].name), &all[i]);
        assert_true(all[i].help[0] != '\0' && all[i].claim[0] != '\0');
    }
    assert_null(defect_find("no_such_defect"));
}

/* How many failures in a row on one host of three eject it. */
static uint64_t failures_to_eject(const struct model_config *m, bool with_success)
{
    struct outlier o;
    outlier_init(&o, &m->outlier, 3, 500 * MS);
    for (uint64_t n = 1; n < 50; n++) {
        outlier_add(&o, 0, OUTLIER_GATEWAY, n);
        if (o.stats.active > 0)
            return n;
        if (with_success && n % 2 == 0)
            outlier_add(&o, 0, OUTLIER_SUCCESS, n);
    }
    return 0;
}

static void ejection_trips_where_the_defect_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        bool with_success;
        uint64_t failures;
    } rows[] = {{"backoff_none", false, 5},         {"backoff_none", true, 0},
                {"ejects_one_early", false, 4},     {"ejects_one_late", false, 6},
                {"success_keeps_counter", true, 5}, {"never_ejects", false, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_config m = spoilt(rows[i].defect);
        assert_int_equal(failures_to_eject(&m, rows[i].with_success), rows[i].failures);
    }
}

/* The ${k}-th ejection's length with sweeps at 0.5, 1.5, ... and trips 0.2 s after a sweep; 0: no
 * end in an hour. */
static uint64_t ejection_ns(const struct model_config *m, int k)
{
    struct outlier o;
    uint64_t now_ns = 700 * MS;
    outlier_init(&o, &m->outlier, 3, 500 * MS);
    for (int i = 1;; i++) {
        for (int n = 0; n < 5; n++)
            outlier_add(&o, 0, OUTLIER_GATEWAY, now_ns);
        uint64_t from_ns = now_ns;
        while (o.stats.active > 0 && now_ns < 3600 * S) {
            now_ns = outlier_next_ns(&o);
            outlier_advance(&o, now_ns);
        }
        if (i == k || o.stats.active > 0)
            return o.stats.active > 0 ? 0 : now_ns - from_ns;
        now_ns += 200 * MS;
    }
}

static void ejection_lasts_as_long_as_the_defect_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        uint64_t first_ms, second_ms;
    } rows[] = {{"backoff_none", 2800, 4800},
                {"ejection_half", 1800, 2800},
                {"ejection_repeat_not_grown", 2800, 2800},
                {"never_returns", 0, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_config m = spoilt(rows[i].defect);
        assert_int_equal(ejection_ns(&m, 1), rows[i].first_ms * MS);
        assert_int_equal(ejection_ns(&m, 2), rows[i].second_ms * MS);
    }
}

static void the_cap_is_ignored_by_its_defect_alone(void **unused)
{
    (void)unused;
    for (int wrong = 0; wrong <= 1; wrong++) {
        struct model_config m = spoilt(wrong == 1 ? "ignores_cap" : "backoff_none");
        struct outlier o;
        outlier_init(&o, &m.outlier, 3, 500 * MS);
        for (size_t host = 0; host < 3; host++) {
            for (int n = 0; n < 5; n++)
                outlier_add(&o, host, OUTLIER_GATEWAY, 1);
        }
        assert_int_equal(o.stats.active, wrong == 1 ? 3 : 1);
    }
}

static void timeouts_move_as_the_defect_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        uint64_t try_ms, request_ms;
    } rows[] = {{"backoff_none", 600, 2000},
                {"per_try_20_late", 720, 2000},
                {"per_try_10_early", 540, 2000},
                {"no_per_try_timeout", 0, 2000},
                {"request_timeout_20_late", 600, 2400},
                {"linkerd_per_try_late", 720, 2000}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_config m = spoilt(rows[i].defect);
        assert_int_equal(m.timeout.try_ns, rows[i].try_ms * MS);
        assert_int_equal(m.timeout.request_ns, rows[i].request_ms * MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole_and_changes_the_models),
        cmocka_unit_test(ejection_trips_where_the_defect_says),
        cmocka_unit_test(ejection_lasts_as_long_as_the_defect_says),
        cmocka_unit_test(the_cap_is_ignored_by_its_defect_alone),
        cmocka_unit_test(timeouts_move_as_the_defect_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
