/* Raw TCP: connects are all that a mesh counts there, and those that were refused are told by the
 * client's end and by whose listener was down. */
#include "verify/protocols.h"
#include "verify/tries_fixture_test.h"

static struct edge_policy ejects(void)
{
    return (struct edge_policy){.endpoints = 3,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(5),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(2 * NS_PER_S),
                                            .max_ejection_percent = number(100)}};
}

/* One connection, from ${start_ms}: to ${endpoint}; 0: it got to none. */
static void add_raw(struct fixture *f, double start_ms, uint16_t endpoint, enum request_end end)
{
    struct request_record r = {.due = T(start_ms),
                               .id_hi = 7,
                               .id_lo = ++f->ids,
                               .end = (uint16_t)end,
                               .protocol = REQUEST_TCP,
                               .flags = REQUEST_CONNECT_NEW,
                               .edge = journal_add_name(f->j, "client -> payments")};
    r.start = 1;
    r.done = (uint64_t)(0.5 * 1e6);
    r.first = end == END_COMPLETE ? r.done - 1 : 0;
    f->end_ms = start_ms + 0.5 > f->end_ms ? start_ms + 0.5 : f->end_ms;
    if (endpoint != 0) {
        struct attempt_record a = {.at = T(start_ms + 0.1),
                                   .id_hi = 7,
                                   .id_lo = f->ids,
                                   .endpoint = endpoint,
                                   .k = 1,
                                   .upstream = 1000,
                                   .out = 200000,
                                   .done = 200001,
                                   .outcome = end == END_COMPLETE ? OUTCOME_ANSWERED
                                                                  : OUTCOME_RESET_BY_FAULT,
                                   .how_tied = TIED_RAW_LINE};
        journal_add(f->j, 2, RECORD_ATTEMPT, &a);
    }
    journal_add(f->j, 1, RECORD_REQUEST, &r);
}

static void listener(struct fixture *f, const char *what, double at_ms, uint16_t endpoint)
{
    struct world_record r = {
        .at = T(at_ms), .after = 1000, .what = journal_add_name(f->j, what), .endpoint = endpoint};
    journal_add(f->j, 2, RECORD_WORLD, &r);
}

static void add_turns(struct fixture *f, double from_ms, double to_ms, const uint16_t *hosts,
                      size_t count)
{
    size_t i = 0;
    for (double at = from_ms; at < to_ms; at += 5)
        add_raw(f, at, hosts[i++ % count], END_COMPLETE);
}

static const uint16_t all[] = {1, 2, 3}, two[] = {1, 3};

/* Endpoint 2 is down from 2 s to 8 s. It is refused ${refused} times from then on, one each 20 ms,
 * and then left alone for 2.5 s; that twice. */
static void an_endpoint_goes_down(struct fixture *f, unsigned refused)
{
    begin(f, ejects());
    add_turns(f, 0, 1999, all, 3);
    listener(f, "listener_down", 2000, 2);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < refused; i++)
            add_raw(f, 2010 + round * 3000 + i * 20, 0, END_RESET);
    add_turns(f, 2003, 7999, two, 2);
    listener(f, "listener_up", 8000, 2);
    add_turns(f, 8100, 9500, all, 3);
}

static void five_refused_connects_put_an_endpoint_out(void **state)
{
    struct fixture f;
    (void)state;
    an_endpoint_goes_down(&f, 5);
    is(&f, "eject.trip", VERDICT_PASS, "out after 5 failures in a row, 2 of 2 times");
}

static void an_endpoint_that_refuses_and_stays_in_is_told(void **state)
{
    struct fixture f;
    (void)state;
    an_endpoint_goes_down(&f, 299);
    is(&f, "eject.trip", VERDICT_FAIL, "payments/2 failed");
}

/* Bytes that were cut are no failure of a connect. */
static void a_reset_of_the_stream_is_no_failure_of_the_host(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, ejects());
    add_turns(&f, 0, 2000, all, 3);
    for (int i = 0; i < 300; i++)
        add_raw(&f, 2001 + i * 20, 2, END_RESET);
    add_turns(&f, 2003, 8000, all, 3);
    is(&f, "eject.trip", VERDICT_INCONCLUSIVE, "no ejections");
}

/* Two at once: which of them refused is not known, and neither is what that did to their counts. */
static void of_two_that_are_down_neither_is_known_to_have_refused(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, ejects());
    add_turns(&f, 0, 1999, all, 3);
    listener(&f, "listener_down", 2000, 2);
    listener(&f, "listener_down", 2000, 3);
    for (int i = 0; i < 300; i++)
        add_raw(&f, 2010 + i * 20, 0, END_RESET);
    static const uint16_t one[] = {1};
    add_turns(&f, 2003, 8010, one, 1);
    is(&f, "eject.trip", VERDICT_INCONCLUSIVE, "no ejections");
}

static void what_is_of_requests_is_not_asked_of_connections(void **state)
{
    static const struct {
        const char *claim;
        enum protocol_rule rule;
    } rows[] = {
        {"success", PROTOCOL_JUDGED},
        {"tail", PROTOCOL_JUDGED},
        {"path", PROTOCOL_JUDGED},
        {"recovery", PROTOCOL_JUDGED},
        {"eject.trip", PROTOCOL_JUDGED},
        {"eject.metrics", PROTOCOL_JUDGED},
        {"tls.stall", PROTOCOL_JUDGED},
        {"tls.plaintext", PROTOCOL_JUDGED},
        {"tls.surface[expired]", PROTOCOL_UNKNOWN},
        {"cb.connections", PROTOCOL_UNKNOWN},
        {"metrics.requests", PROTOCOL_UNKNOWN},
        {"retry.max", PROTOCOL_NOTHING},
        {"timeout.request", PROTOCOL_NOTHING},
        {"honest", PROTOCOL_NOTHING},
        {"cb.pending", PROTOCOL_NOTHING},
        {"amplify", PROTOCOL_NOTHING},
        {"accrual", PROTOCOL_NOTHING},
        {"metrics.statuses", PROTOCOL_NOTHING},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (protocol_rule_of(claim_type_find(rows[i].claim), "tcp") != rows[i].rule)
            fail_msg("%s", rows[i].claim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_refused_connects_put_an_endpoint_out),
        cmocka_unit_test(an_endpoint_that_refuses_and_stays_in_is_told),
        cmocka_unit_test(a_reset_of_the_stream_is_no_failure_of_the_host),
        cmocka_unit_test(of_two_that_are_down_neither_is_known_to_have_refused),
        cmocka_unit_test(what_is_of_requests_is_not_asked_of_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
