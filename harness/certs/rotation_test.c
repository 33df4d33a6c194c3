#include "certs/rotation.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Parties of tls-measured.md section 3: a mesh as client before three endpoints. */
enum { MESH, ONE, TWO, THREE, PARTIES };
static const size_t mesh[] = {MESH}, endpoints[] = {ONE, TWO, THREE}, first[] = {ONE};

static int make(void **state)
{
    struct rotation *r = malloc(sizeof(*r));
    struct error err = {0};
    const char *const names[] = {"mesh", "payments/1", "payments/2", "payments/3"};
    rotation_init(r, "root-a");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(rotation_join(r, names[i], &err), i);
    *state = r;
    return 0;
}

static int drop(void **state)
{
    free(*state);
    return 0;
}

static void plan(struct rotation *r, struct rotation_step step)
{
    struct error err = {0};
    if (!rotation_plan(r, &step, &err))
        fail_msg("%s", err.text);
}

static struct rotation_step trust(const char *add, const char *drop_, const size_t *to,
                                  size_t count, uint64_t at_s)
{
    return (struct rotation_step){.verb = ROTATION_TRUST,
                                  .add = add,
                                  .drop = drop_,
                                  .to = to,
                                  .to_count = count,
                                  .at_ns = at_s * NS_PER_S};
}

static struct rotation_step rotate(const char *root, const size_t *to, size_t count, uint64_t at_s)
{
    return (struct rotation_step){.verb = ROTATION_ROTATE,
                                  .root = root,
                                  .to = to,
                                  .to_count = count,
                                  .at_ns = at_s * NS_PER_S};
}

static size_t run_to(struct rotation *r, uint64_t at_s)
{
    struct rotation_change change;
    size_t count = 0;
    while (rotation_advance(r, at_s * NS_PER_S, &change))
        count++;
    return count;
}

static void assert_pair(const struct rotation *r, size_t endpoint, bool tls13,
                        enum rotation_side side, enum rotation_class class)
{
    struct rotation_expect e = rotation_expect(r, MESH, endpoint, tls13, 0);
    assert_int_equal(e.refuses, side);
    assert_int_equal(e.class, class);
}

static void assert_all(const struct rotation *r, bool tls13, enum rotation_side side,
                       enum rotation_class class)
{
    for (size_t i = ONE; i < PARTIES; i++)
        assert_pair(r, i, tls13, side, class);
}

static void assert_fits(const struct rotation *r)
{
    for (size_t i = 0; i < PARTIES; i++) {
        for (size_t k = 0; k < PARTIES; k++) {
            if (i != k)
                assert_int_equal(rotation_expect(r, i, k, true, 0).refuses, ROTATION_NOBODY);
        }
    }
}

/* T4's six steps: trust at the mesh, trust at us, leaf at us, leaf at the mesh, drop at the mesh,
 * drop at us. */
static void right_order(struct rotation *r)
{
    plan(r, trust("root-b", NULL, mesh, 1, 1));
    plan(r, trust("root-b", NULL, endpoints, 3, 2));
    plan(r, rotate("root-b", endpoints, 3, 3));
    plan(r, rotate("root-b", mesh, 1, 4));
    plan(r, trust(NULL, "root-a", mesh, 1, 5));
    plan(r, trust(NULL, "root-a", endpoints, 3, 6));
}

static void in_the_right_order_every_pair_fits_at_every_moment(void **state)
{
    struct rotation *r = *state;
    struct rotation_change change;
    struct error err = {0};
    size_t changes = 0;
    right_order(r);
    assert_true(rotation_check(r, &err));
    assert_fits(r);
    while (rotation_advance(r, UINT64_MAX, &change)) {
        assert_fits(r);
        changes++;
    }
    assert_int_equal(changes, 12); /* 1 + 3 + 3 + 1 + 1 + 3 */
    for (size_t i = 0; i < PARTIES; i++) {
        assert_int_equal(r->parties[i].bundle_count, 1);
        assert_string_equal(r->roots[r->parties[i].bundle[0]], "root-b");
        assert_int_equal(r->parties[i].generation, 1);
    }
    assert_string_equal(rotation_root_of(r, CERT_OLD_ROOT), "root-a");
}

static void a_leaf_before_the_mesh_trusts_it_is_refused_by_the_mesh(void **state)
{
    struct rotation *r = *state;
    plan(r, rotate("root-b", endpoints, 3, 1));
    run_to(r, 1);
    assert_all(r, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
    assert_all(r, false, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
}

static void one_early_endpoint_alone_is_refused(void **state)
{
    struct rotation *r = *state;
    plan(r, rotate("root-b", first, 1, 1));
    run_to(r, 1);
    assert_pair(r, ONE, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
    assert_pair(r, TWO, true, ROTATION_NOBODY, ROTATION_ANSWERED);
    assert_pair(r, THREE, true, ROTATION_NOBODY, ROTATION_ANSWERED);
}

/* The one skew of a single endpoint that costs requests under Istio's default: class C. */
static void the_meshs_leaf_before_endpoints_trust_it_is_refused_by_them(void **state)
{
    struct rotation *r = *state;
    plan(r, trust("root-b", NULL, mesh, 1, 1));
    plan(r, rotate("root-b", mesh, 1, 2));
    run_to(r, 2);
    assert_all(r, true, ROTATION_SERVER, ROTATION_TERMINATION);
    assert_all(r, false, ROTATION_SERVER, ROTATION_CONNECT_FAILURE);
}

static void one_endpoint_late_to_trust_alone_refuses(void **state)
{
    struct rotation *r = *state;
    static const size_t others[] = {MESH, TWO, THREE};
    plan(r, trust("root-b", NULL, others, 3, 1));
    plan(r, rotate("root-b", mesh, 1, 2));
    run_to(r, 2);
    assert_pair(r, ONE, true, ROTATION_SERVER, ROTATION_TERMINATION);
    assert_pair(r, ONE, false, ROTATION_SERVER, ROTATION_CONNECT_FAILURE);
    assert_pair(r, TWO, true, ROTATION_NOBODY, ROTATION_ANSWERED);
}

static void the_old_root_dropped_early_is_refused_at_the_side_that_dropped_it(void **state)
{
    struct rotation *r = *state, *other = malloc(sizeof(*other));
    plan(r, trust("root-b", NULL, NULL, 0, 1));
    run_to(r, 1);
    *other = *r;
    plan(r, trust(NULL, "root-a", mesh, 1, 2));
    run_to(r, 2);
    assert_all(r, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
    plan(other, trust(NULL, "root-a", endpoints, 3, 2));
    run_to(other, 2);
    assert_all(other, true, ROTATION_SERVER, ROTATION_TERMINATION);
    free(other);
}

static void one_leaf_late_after_the_drop_is_refused_until_it_comes(void **state)
{
    struct rotation *r = *state;
    static const size_t others[] = {MESH, TWO, THREE};
    plan(r, trust("root-b", NULL, NULL, 0, 1));
    plan(r, rotate("root-b", others, 3, 2));
    plan(r, trust(NULL, "root-a", NULL, 0, 3));
    plan(r, rotate("root-b", first, 1, 6));
    run_to(r, 3);
    assert_pair(r, ONE, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
    assert_pair(r, TWO, true, ROTATION_NOBODY, ROTATION_ANSWERED);
    run_to(r, 6);
    assert_fits(r);
}

static void a_stagger_moves_places_one_by_one(void **state)
{
    struct rotation *r = *state;
    struct rotation_step step = rotate("root-b", endpoints, 3, 1);
    struct rotation_change change;
    uint64_t at;
    step.stagger_ns = 2 * NS_PER_S;
    plan(r, trust("root-b", NULL, NULL, 0, 0));
    plan(r, step);
    run_to(r, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(rotation_next(r, &at));
        assert_true(at == (1 + 2 * i) * NS_PER_S);
        assert_false(rotation_advance(r, at - 1, &change));
        assert_true(rotation_advance(r, at, &change));
        assert_int_equal(change.party, ONE + i);
        assert_int_equal(change.step, 2);
        assert_true(change.leaf);
        assert_string_equal(change.root, "root-b");
    }
    assert_false(rotation_next(r, &at));
}

static void an_overlap_keeps_the_old_leaf_while_the_new_one_ages(void **state)
{
    struct rotation *r = *state;
    struct rotation_step step = {.verb = ROTATION_ISSUE,
                                 .to = first,
                                 .to_count = 1,
                                 .at_ns = 10 * NS_PER_S,
                                 .ttl_ns = 60 * NS_PER_S,
                                 .overlap_ns = 5 * NS_PER_S};
    struct rotation_change change;
    plan(r, step);
    assert_false(rotation_advance(r, 14 * NS_PER_S, &change));
    assert_int_equal(r->parties[ONE].generation, 0);
    assert_true(rotation_advance(r, 15 * NS_PER_S, &change));
    assert_true(change.issued_ns == 10 * NS_PER_S && change.ttl_ns == 60 * NS_PER_S);
    assert_string_equal(change.root, "root-a"); /* the active one */
    assert_int_equal(rotation_expect(r, MESH, ONE, true, 70 * NS_PER_S - 1).refuses,
                     ROTATION_NOBODY);
    assert_int_equal(rotation_expect(r, MESH, ONE, true, 70 * NS_PER_S).refuses, ROTATION_CLIENT);
}

static void what_changes_no_byte_is_no_event(void **state)
{
    struct rotation *r = *state;
    plan(r, trust("root-a", NULL, NULL, 0, 1));
    plan(r, trust("root-b", NULL, mesh, 1, 2));
    plan(r, trust("root-b", NULL, NULL, 0, 3));
    assert_int_equal(run_to(r, 1), 0);
    assert_int_equal(run_to(r, 2), 1);
    assert_int_equal(run_to(r, 3), 3);
}

/* "at 80s cert.trust { add = root-b, drop = root-a }": one swap a place. */
static void add_and_drop_in_one_step_are_one_change(void **state)
{
    struct rotation *r = *state;
    struct error err = {0};
    plan(r, trust("root-b", "root-a", NULL, 0, 1));
    assert_true(rotation_check(r, &err));
    assert_int_equal(run_to(r, 1), PARTIES);
    assert_int_equal(r->parties[ONE].bundle_count, 1);
    assert_all(r, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
}

static void bundles_keep_the_order_of_their_adding(void **state)
{
    struct rotation *r = *state;
    plan(r, trust("root-b", NULL, mesh, 1, 1));
    plan(r, trust("root-c", NULL, mesh, 1, 2));
    plan(r, trust(NULL, "root-b", mesh, 1, 3));
    plan(r, trust("root-b", NULL, mesh, 1, 4));
    run_to(r, 4);
    const struct rotation_party *p = &r->parties[MESH];
    assert_int_equal(p->bundle_count, 3);
    assert_string_equal(r->roots[p->bundle[0]], "root-a");
    assert_string_equal(r->roots[p->bundle[1]], "root-c");
    assert_string_equal(r->roots[p->bundle[2]], "root-b");
}

static void a_party_that_would_trust_nobody_is_named(void **state)
{
    struct rotation *r = *state;
    struct error err = {0};
    plan(r, trust(NULL, "root-a", endpoints, 3, 5));
    assert_false(rotation_check(r, &err));
    assert_string_equal(err.text, "dropping root-a would leave payments/1 without any root to "
                                  "trust; add another one first");
    plan(r, trust("root-b", NULL, NULL, 0, 1)); /* earlier, though planned later */
    err = (struct error){0};
    assert_true(rotation_check(r, &err));
}

static void a_step_that_cannot_be_leaves_nothing(void **state)
{
    struct rotation *r = *state;
    struct error err = {0};
    struct rotation_step none = trust(NULL, NULL, NULL, 0, 1), bare = rotate(NULL, NULL, 0, 1),
                         ghost = trust("root-b", "root-x", NULL, 0, 1);
    assert_false(rotation_plan(r, &none, &err));
    assert_string_equal(err.text, "cert.trust needs add or drop");
    err = (struct error){0};
    assert_false(rotation_plan(r, &bare, &err));
    assert_string_equal(err.text, "cert.rotate needs a root");
    err = (struct error){0};
    assert_false(rotation_plan(r, &ghost, &err));
    assert_string_equal(err.text, "cert.trust: there is no root \"root-x\" to drop");
    assert_int_equal(r->event_count, 0);
    assert_int_equal(r->root_count, 1);
    assert_int_equal(r->step_count, 0);
}

static void an_armed_skew_is_refused_whatever_is_trusted(void **state)
{
    struct rotation *r = *state;
    for (unsigned kind = CERT_EXPIRED; kind <= CERT_NO_CERTIFICATE; kind++) {
        r->parties[ONE].presents = (enum cert_kind)kind;
        assert_pair(r, ONE, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
        r->parties[ONE].presents = CERT_GOOD;
        r->parties[MESH].presents = (enum cert_kind)kind;
        assert_pair(r, ONE, true, ROTATION_SERVER, ROTATION_TERMINATION);
        assert_pair(r, ONE, false, ROTATION_SERVER, ROTATION_CONNECT_FAILURE);
        r->parties[MESH].presents = CERT_GOOD;
    }
}

static void old_and_new_root_follow_the_rotation(void **state)
{
    struct rotation *r = *state;
    assert_string_equal(rotation_root_of(r, CERT_OLD_ROOT), "root-before");
    assert_string_equal(rotation_root_of(r, CERT_NEW_ROOT), "root-after");
    assert_string_equal(rotation_root_of(r, CERT_GOOD), "root-a");
    right_order(r);
    assert_string_equal(rotation_root_of(r, CERT_NEW_ROOT), "root-b");
    r->parties[ONE].presents = CERT_NEW_ROOT;
    assert_pair(r, ONE, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
    run_to(r, 1); /* the mesh trusts root-b now */
    assert_pair(r, ONE, true, ROTATION_NOBODY, ROTATION_ANSWERED);
    r->parties[ONE].presents = CERT_OLD_ROOT;
    run_to(r, 4);
    assert_pair(r, ONE, true, ROTATION_NOBODY, ROTATION_ANSWERED);
    run_to(r, 5); /* and has dropped root-a */
    assert_pair(r, ONE, true, ROTATION_CLIENT, ROTATION_CONNECT_FAILURE);
    assert_string_equal(rotation_root_of(r, CERT_GOOD), "root-b");
}

static void limits_name_themselves(void **state)
{
    struct rotation *r = *state;
    struct error err = {0};
    for (size_t i = PARTIES; i < ROTATION_PARTIES_MOST; i++)
        assert_true(rotation_join(r, "payments/x", &err) == i);
    assert_true(rotation_join(r, "payments/x", &err) == SIZE_MAX);
    assert_string_equal(err.text, "more than the 64 parties allowed in a rotation");
    struct rotation_step step = trust("root-b", NULL, NULL, 0, 1);
    for (size_t i = 0; i < ROTATION_EVENTS_MOST / ROTATION_PARTIES_MOST; i++)
        plan(r, step);
    err = (struct error){0};
    assert_false(rotation_plan(r, &step, &err));
    assert_string_equal(err.text, "more than the 1024 changes allowed in a rotation");
    assert_int_equal(run_to(r, 1), ROTATION_PARTIES_MOST);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(in_the_right_order_every_pair_fits_at_every_moment),
        WITH(a_leaf_before_the_mesh_trusts_it_is_refused_by_the_mesh),
        WITH(one_early_endpoint_alone_is_refused),
        WITH(the_meshs_leaf_before_endpoints_trust_it_is_refused_by_them),
        WITH(one_endpoint_late_to_trust_alone_refuses),
        WITH(the_old_root_dropped_early_is_refused_at_the_side_that_dropped_it),
        WITH(one_leaf_late_after_the_drop_is_refused_until_it_comes),
        WITH(a_stagger_moves_places_one_by_one),
        WITH(an_overlap_keeps_the_old_leaf_while_the_new_one_ages),
        WITH(what_changes_no_byte_is_no_event),
        WITH(add_and_drop_in_one_step_are_one_change),
        WITH(bundles_keep_the_order_of_their_adding),
        WITH(a_party_that_would_trust_nobody_is_named),
        WITH(a_step_that_cannot_be_leaves_nothing),
        WITH(an_armed_skew_is_refused_whatever_is_trusted),
        WITH(old_and_new_root_follow_the_rotation),
        WITH(limits_name_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
