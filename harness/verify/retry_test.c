/* retry.only and retry.must, a case at a time: what reached the client, and what a timer explains.
 */

#include "verify/tries_fixture_test.h"

static struct edge_policy retries(uint64_t attempts, uint64_t try_ms)
{
    struct edge_policy e = {
        .flavour = FLAVOUR_ENVOY,
        .endpoints = 2,
        .retry = {.attempts = number(attempts),
                  .on = RETRY_GATEWAY_ERROR | RETRY_RESET,
                  .conditions = number(0),
                  .backoff_base = number(25 * NS_PER_MS)},
    };
    if (try_ms != 0)
        e.retry.per_try_timeout = number(try_ms * NS_PER_MS);
    return e;
}

/* Thirty requests answered with ${status} by an endpoint; of the first, the client got ${got}. */
static void answered(struct fixture *f, uint16_t status, uint16_t got)
{
    begin(f, retries(2, 0));
    for (int i = 0; i < 30; i++) {
        struct made made = {50 * i + 0.1, 50 * i + 0.3, 0, 1, status};
        add_request(f, 50 * i, 50 * i + 0.5, i == 0 ? got : status, BODY_OWN, &made, 1);
    }
}

static void an_unlisted_answer_reaches_the_client(void **state)
{
    struct fixture f;
    (void)state;
    answered(&f, 404, 404);
    is(&f, "retry.only", VERDICT_PASS, "none of 30 retried (404)");
}

static void another_status_than_the_endpoints_is_a_witness(void **state)
{
    struct fixture f;
    (void)state;
    answered(&f, 404, 500);
    is(&f, "retry.only", VERDICT_FAIL, "1 of 30 reached the client with another status (404)");
}

/* The mesh counts a second try, which we did not see: it may have been answered so. */
static void a_try_that_we_did_not_see_may_have_been_answered_so(void **state)
{
    struct fixture f;
    (void)state;
    answered(&f, 404, 500);
    f.j->attempts[0].r.n_mesh = 2;
    is(&f, "retry.only", VERDICT_PASS, "none of 30 retried");
}

static void an_unlisted_answer_that_is_retried_is_a_witness(void **state)
{
    static const struct made twice[] = {{2000.1, 2000.3, 0, 1, 404}, {2010, 2010.2, 0, 2, 200}};
    struct fixture f;
    (void)state;
    answered(&f, 404, 404);
    add_request(&f, 2000, 2010.5, 200, BODY_OWN, twice, 2);
    is(&f, "retry.only", VERDICT_FAIL, "1 of 31 were retried (404)");
}

/* Twelve requests whose first failure is retried, and one more of ${tries} that is not retried on.
 */
static void gives_up(struct fixture *f, uint64_t try_ms, const struct made *tries, size_t count,
                     double done_ms)
{
    begin(f, retries(4, try_ms));
    for (int i = 0; i < 12; i++) {
        double at = 50 * i;
        struct made good[] = {{at + 0.1, at + 0.3, 0, 1, 503}, {at + 10, at + 10.2, 0, 2, 200}};
        add_request(f, at, at + 10.5, 200, BODY_OWN, good, 2);
    }
    struct made shifted[4];
    for (size_t i = 0; i < count; i++) {
        shifted[i] = tries[i];
        shifted[i].head_ms += 1000;
        shifted[i].out_ms += 1000;
    }
    add_request(f, 1000, 1000 + done_ms, 503, BODY_OWN, shifted, count);
}

static void a_listed_failure_that_is_not_retried_is_a_witness(void **state)
{
    static const struct made one[] = {{0.1, 0.3, 0, 1, 503}};
    struct fixture f;
    (void)state;
    gives_up(&f, 0, one, 1, 0.5);
    is(&f, "retry.must", VERDICT_FAIL, "1 of 13 requests that met 503 were not retried");
}

/* Three tries that follow each other soon took longer together than one may: no per-try timer had
 * fired when the mesh gave up. */
static void short_tries_that_took_long_together_are_no_timeout(void **state)
{
    static const struct made three[] = {
        {0.1, 0.3, 0, 1, 503}, {45, 45.2, 0, 2, 503}, {85, 95, 0, 1, 503}};
    struct fixture f;
    (void)state;
    gives_up(&f, 100, three, 3, 95.5);
    is(&f, "retry.must", VERDICT_FAIL, "1 of 14 requests that met 503 were not retried");
}

/* The same, but the last answer was there so late that the timer may have come before it. */
static void a_last_try_that_may_have_met_its_timeout_is_excused(void **state)
{
    static const struct made three[] = {
        {0.1, 0.3, 0, 1, 503}, {45, 45.2, 0, 2, 503}, {85, 140, 0, 1, 503}};
    struct fixture f;
    (void)state;
    gives_up(&f, 100, three, 3, 140.5);
    is(&f, "retry.must", VERDICT_PASS, "13 of 13 retried (503)");
}

/* The second retry met a limit of the mesh's own: what the client gets then is no swapped answer.
 */
static void an_answer_of_a_limit_is_no_swap(void **state)
{
    struct fixture f;
    (void)state;
    for (int limited = 0; limited <= 1; limited++) {
        struct made tries[] = {{1000.1, 1000.3, 0, 1, 502}, {1010, 1010.2, 0, 2, 502}};
        gives_up(&f, 0, NULL, 0, 0);
        f.j->request_count--;
        add_request(&f, 1000, 1020.5, 200, limited ? BODY_OVERFLOW : BODY_OWN, tries, 2);
        f.j->requests[f.j->request_count - 1].r.status = limited ? 503 : 200;
        if (limited)
            is(&f, "retry.must", VERDICT_INCONCLUSIVE, "only 1 of 10 requests that met 502");
        else
            is(&f, "retry.must", VERDICT_FAIL, "1 of 2 requests that met 502 were not retried");
    }
}

/* Twelve answers cut after their head, whose second try is answered. */
static void cut(struct fixture *f, uint16_t status)
{
    begin(f, retries(2, 0));
    for (int i = 0; i < 12; i++) {
        struct made tries[] = {{50 * i + 0.1, 50 * i + 0.3, 0, 1, status},
                               {50 * i + 10, 50 * i + 10.2, 0, 2, 200}};
        add_request(f, 50 * i, 50 * i + 11, 200, BODY_OWN, tries, 2);
        f->j->attempts[2 * i].r.outcome = OUTCOME_CLOSED_BY_FAULT;
    }
}

static void an_answer_that_began_is_not_retried(void **state)
{
    struct fixture f;
    (void)state;
    cut(&f, 200);
    is(&f, "retry.started", VERDICT_FAIL, "12 of 12 answers cut after their head were retried");
}

/* fault.malformed: bytes without a status, then the end. No mesh has a head of them. */
static void bytes_that_are_no_head_may_be_retried(void **state)
{
    struct fixture f;
    (void)state;
    cut(&f, 0);
    is(&f, "retry.started", VERDICT_INCONCLUSIVE, "answers cut after their head");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_began_is_not_retried),
        cmocka_unit_test(bytes_that_are_no_head_may_be_retried),
        cmocka_unit_test(an_unlisted_answer_reaches_the_client),
        cmocka_unit_test(another_status_than_the_endpoints_is_a_witness),
        cmocka_unit_test(a_try_that_we_did_not_see_may_have_been_answered_so),
        cmocka_unit_test(an_unlisted_answer_that_is_retried_is_a_witness),
        cmocka_unit_test(a_listed_failure_that_is_not_retried_is_a_witness),
        cmocka_unit_test(short_tries_that_took_long_together_are_no_timeout),
        cmocka_unit_test(an_answer_of_a_limit_is_no_swap),
        cmocka_unit_test(a_last_try_that_may_have_met_its_timeout_is_excused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
