/* A try that was long on its way, or waited for a connection, reaches a host that is out: it is no
 * sign that the host was in. */

#include "verify/tries_fixture_test.h"

static const uint16_t both[] = {1, 2}, all[] = {1, 2, 3};

static struct edge_policy ejects(uint64_t base_s)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                .endpoints = 3,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(2),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(base_s * NS_PER_S),
                                            .max_ejection_percent = number(34)}};
}

/* One request whose only try reaches endpoint 3 at ${at_ms}. */
static void add_sent(struct fixture *f, double start_ms, double at_ms, uint16_t status)
{
    struct made made = {at_ms, at_ms + 0.2, 0, 3, status};
    add_request(f, start_ms, at_ms + 0.4, status, BODY_OWN, &made, 1);
}

/* Endpoint 3 goes out after two failures, at 2.25 s. */
static void out(struct fixture *f, uint64_t base_s, double clean_to_ms)
{
    begin(f, ejects(base_s));
    add_clean(f, 0, 2000, 10, all, 3);
    add_clean(f, 2005, 2100, 10, both, 2);
    add(f, 2100, 3, 503);
    add(f, 2250, 3, 503);
    add_clean(f, 2102, clean_to_ms, 4, both, 2);
}

static void one_try_more_is_late_only_when_it_was_sent_after(void **state)
{
    static const struct {
        double start_ms;
        enum verdict_kind kind;
        const char *says;
    } rows[] = {{2399, VERDICT_FAIL, "1 more try after 2"},
                {2255, VERDICT_FAIL, "1 more try after 2"},
                {2245, VERDICT_INCONCLUSIVE, "no quiet"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        out(&f, 2, 5000);
        add_sent(&f, rows[i].start_ms, 2400, 503);
        add_clean(&f, 5000, 5300, 10, all, 3);
        is(&f, "eject.late", rows[i].kind, rows[i].says);
    }
}

/* It reaches the host 1.35 s after that went out for 2 s. */
static void an_ejection_ends_with_a_try_that_was_sent_after_it_began(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        struct fixture f;
        out(&f, 2, 4700);
        add_sent(&f, after ? 3599 : 2200, 3600, 200);
        add_clean(&f, 4700, 5000, 10, all, 3);
        is(&f, "eject.length", after ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           after ? "was out for 1.3 s; at least 2.0 s" : "no ejections");
    }
}

/* Its connection broke before any request: whose it was, nobody knows. Where a request was waiting
 * since before the host went out, it may have been opened for that one. */
static void a_connection_may_be_opened_for_a_request_that_waited(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        struct fixture f;
        struct connection_record c = {.at = T(3600), .close = 1000, .endpoint = 3, .fault = 1};
        out(&f, 2, 4700);
        if (waits)
            add_request(&f, 2200, 3601, 503, BODY_CONNECT_FAILURE, NULL, 0);
        add_request(&f, 3599, 3601, 503, BODY_CONNECT_FAILURE, NULL, 0);
        journal_add(f.j, 2, RECORD_CONNECTION, &c);
        add_clean(&f, 4700, 5000, 10, all, 3);
        is(&f, "eject.length", waits ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           waits ? "no ejections" : "at least 2.0 s");
    }
}

/* The others' picks show no silence there, for they are few. */
static void a_brief_ejection_ends_so_too(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        struct fixture f;
        begin(&f, ejects(2));
        add_clean(&f, 0, 2000, 100, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2150, 3900, 100, both, 2);
        add_sent(&f, after ? 3799 : 2200, 3800, 200);
        add_clean(&f, 3900, 4800, 100, all, 3);
        is(&f, "eject.length", after ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           after ? "was out for 1.5 s; at least 2.0 s" : "no ejections");
    }
}

/* The host is out for 4 s, and a try comes after 1.75 s of them: what is left of the silence began
 * with no failure. Out again as soon as it is back, it must be for 8 s, not for 12. */
static void the_rest_of_an_ejection_is_no_second_one(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++)
        for (int early = 0; early < 2; early++) {
            struct fixture f;
            out(&f, 4, 6900);
            add_sent(&f, after ? 3999 : 2200, 4000, 200);
            add(&f, 6900, 3, 503);
            add(&f, 6905, 3, 503);
            add_clean(&f, 6910, 15700, 4, both, 2);
            add_clean(&f, 15700, 16000, 10, all, 3);
            if (early)
                is(&f, "eject.early", after ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
                   after ? "went out after fewer than 2" : "rounds of 1 failures");
            else
                is(&f, "eject.length", after ? VERDICT_FAIL : VERDICT_PASS,
                   after ? "was out for" : "again for 8.8 s");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_try_more_is_late_only_when_it_was_sent_after),
        cmocka_unit_test(an_ejection_ends_with_a_try_that_was_sent_after_it_began),
        cmocka_unit_test(a_connection_may_be_opened_for_a_request_that_waited),
        cmocka_unit_test(a_brief_ejection_ends_so_too),
        cmocka_unit_test(the_rest_of_an_ejection_is_no_second_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
