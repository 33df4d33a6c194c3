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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_within_the_window_of_another_waits_as_long_again),
    };
    return cmocka_run_group_tests_name("verify/eject_panic", tests, NULL, NULL);
}
