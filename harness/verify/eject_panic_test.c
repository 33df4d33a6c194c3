/* While more fail than may be out, who is in shows nothing as long as an update may wait. */

#include "verify/tries_fixture_test.h"

static const uint16_t all[] = {1, 2, 3}, both[] = {1, 2};

static struct edge_policy ejects(void)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                .endpoints = 3,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(10),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(2 * NS_PER_S),
                                            .max_ejection_percent = number(34)}};
}

/* Endpoint 3 is out from 2 to 5 s, which too few tries show, and endpoint 1 fails ten times and ten
 * times more meanwhile: there is no room. Its next ten are full 0.95 s after the return of the
 * other, and that update waits for a second of its own. */
static void an_update_within_the_window_of_another_waits_as_long_again(void **state)
{
    static const struct {
        double out_ms;
        enum verdict_kind kind;
        const char *text;
    } rows[] = {{6950, VERDICT_PASS, "1 of 3 out"},
                {8500, VERDICT_FAIL, "0 of 3 out while 2 fail"}};
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        struct fixture f;
        begin(&f, ejects());
        add_clean(&f, 0, 1800, 10, all, 3);
        for (double at = 1800; at < 2000; at += 20)
            add(&f, at, 3, 503);
        for (double at = 2000; at < 5000; at += 100)
            for (size_t i = 0; i < 2; i++)
                add(&f, at + 50.0 * (double)i, both[i], i == 0 && at >= 3000 ? 503 : 200);
        for (double at = 5000; at < 11000; at += at < 5950 ? 100 : 6)
            for (size_t i = 0; i < 3; i++)
                add(&f, at + 2.0 * (double)i, at >= rows[row].out_ms && i == 0 ? 2 : all[i],
                    i == 1 || (i == 0 && at >= rows[row].out_ms) ? 200 : 503);
        is(&f, "eject.panic", rows[row].kind, rows[row].text);
    }
}

/* The mesh's gauge, each 250 ms: all are out from 2.5 to 2.75 s, and two are back at 3 s, which
 * ${told} or not. */
static void add_gauge(struct fixture *f, bool told)
{
    journal_add_proc(f->j, 3, "mesh", "subject", "client");
    for (int at = 0; at < 4000; at += 250) {
        struct metric_record m = {.at = T(at),
                                  .answer = NS_PER_MS,
                                  .value = at < 2500   ? 0
                                           : at < 3000 ? 3
                                                       : 1,
                                  .proxy = journal_add_name(f->j, "client -> payments"),
                                  .name =
                                      journal_add_name(f->j, "outlier_detection.ejections_active")};
        if (told || at < 3000)
            journal_add(f->j, 3, RECORD_METRIC, &m);
    }
}

/* Endpoint 3 is back after 1.3 s, where a panic that nobody saw end may send to all. */
static void a_panic_lasts_until_a_scrape_says_that_it_is_over(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct fixture f;
        begin(&f, ejects());
        f.edge.outlier.consecutive_5xx = number(2);
        f.edge.outlier.max_ejection_percent = number(100);
        f.edge.outlier.min_health_percent = number(50);
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2252, 3600, 4, both, 2);
        add_clean(&f, 3600, 4000, 10, all, 3);
        add_gauge(&f, told);
        is(&f, "eject.length", told ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           told ? "was out for 1.4 s; at least 2.0 s" : "ejections from trip");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_panic_lasts_until_a_scrape_says_that_it_is_over),
        cmocka_unit_test(an_update_within_the_window_of_another_waits_as_long_again),
    };
    return cmocka_run_group_tests_name("verify/eject_panic", tests, NULL, NULL);
}
