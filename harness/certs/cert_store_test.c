#include "certs/cert_store.h"

#include "certs/certs_test.h"
#include "certs/cert_chain.h"
#include "certs/cert_files.h"

static struct cert_store *make(void **state)
{
    struct error err = {0};
    struct cert_store *s;
    struct identity payments = {0}, checkout = {0};
    if (!cert_store_new(scratch_path(state, "lab"), "root-a", WALL_NS, &s, &err))
        fail_msg("%s", err.text);
    assert_true(identity_add_istio(&payments, "cluster.local", "shop", "payments", &err) &&
                identity_add_istio(&checkout, "cluster.local", "shop", "checkout", &err));
    assert_true(cert_store_add_place(s, "payments", &payments, 3600, WALL_NS, &err));
    assert_true(cert_store_add_place(s, "checkout", &checkout, 3600, WALL_NS, &err));
    return s;
}

static struct cert_store *reopen(void **state, struct cert_store *s)
{
    struct error err = {0};
    cert_store_close(s);
    if (!cert_store_open(scratch_path(state, "lab"), true, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

/* `openssl verify` of one place's leaf before another's bundle. */
static bool accepts(void **state, const char *verifier, const char *presenter)
{
    char at[24], ca[100], crt[100];
    struct text out;
    snprintf(at, sizeof(at), "%llu", (unsigned long long)WALL_S);
    snprintf(ca, sizeof(ca), "lab/%s/ca.crt", verifier);
    snprintf(crt, sizeof(crt), "lab/%s/tls.crt", presenter);
    int code = openssl_run(state, &out, "verify", "-attime", at, "-CAfile", ca, "-untrusted", crt,
                           crt, NULL);
    text_release(&out);
    return code == 0;
}

static size_t step(bool (*verb)(struct cert_store *, const struct cert_step *, size_t *,
                                struct error *),
                   struct cert_store *s, const char *root, const char *place, bool skew)
{
    static uint64_t wall_ns = WALL_NS;
    struct error err = {0};
    size_t changed;
    const struct cert_step what = {.root = root,
                                   .places = &place,
                                   .place_count = place == NULL ? 0 : 1,
                                   .wall_ns = ++wall_ns,
                                   .skew = skew};
    if (!verb(s, &what, &changed, &err))
        fail_msg("%s", err.text);
    return changed;
}

static void a_rotation_by_steps_survives_the_process(void **state)
{
    struct cert_store *s = make(state);
    assert_true(accepts(state, "checkout", "payments"));
    s = reopen(state, s);
    assert_int_equal(step(cert_store_trust, s, "root-b", NULL, false), 2);
    s = reopen(state, s);
    assert_int_equal(step(cert_store_trust, s, "root-b", NULL, false), 0);
    assert_int_equal(step(cert_store_issue, s, "root-b", "payments", false), 1);
    assert_string_equal(s->active, "root-a");
    s = reopen(state, s);
    assert_true(accepts(state, "checkout", "payments") && accepts(state, "payments", "checkout"));
    assert_int_equal(step(cert_store_issue, s, "root-b", NULL, false), 2);
    assert_string_equal(s->active, "root-b");
    s = reopen(state, s);
    assert_int_equal(step(cert_store_drop, s, "root-a", NULL, false), 2);
    assert_true(accepts(state, "checkout", "payments") && accepts(state, "payments", "checkout"));
    cert_store_close(s);
}

static void a_step_that_parts_a_pair_needs_skew(void **state)
{
    struct cert_store *s = make(state);
    struct error err = {0};
    size_t changed, presenter = 0, verifier = 0;
    const char *place = "payments";
    struct cert_step early = {
        .root = "root-b", .places = &place, .place_count = 1, .wall_ns = WALL_NS + 1};
    assert_false(cert_store_issue(s, &early, &changed, &err));
    assert_string_equal(err.text, "payments would present a leaf of root-b, which checkout would "
                                  "not trust; --skew does it all the same");
    assert_true(accepts(state, "checkout", "payments"));
    assert_false(cert_store_skew(s, &presenter, &verifier));
    early.skew = true;
    err = (struct error){0};
    assert_true(cert_store_issue(s, &early, &changed, &err));
    assert_false(accepts(state, "checkout", "payments"));
    assert_true(accepts(state, "payments", "checkout"));
    presenter = verifier = 0;
    assert_true(cert_store_skew(s, &presenter, &verifier));
    assert_int_equal(presenter, 0);
    assert_int_equal(verifier, 1);
    /* Healing is no new skew. */
    assert_int_equal(step(cert_store_trust, s, "root-b", "checkout", false), 1);
    assert_true(accepts(state, "checkout", "payments"));
    cert_store_close(s);
}

static void the_last_root_is_not_dropped(void **state)
{
    struct cert_store *s = make(state);
    struct error err = {0};
    size_t changed;
    struct cert_step what = {.root = "root-a", .wall_ns = WALL_NS + 1, .skew = true};
    assert_false(cert_store_drop(s, &what, &changed, &err));
    assert_string_equal(err.text,
                        "payments trusts root-a alone; without it, it would trust nobody");
    what.root = "root-x";
    err = (struct error){0};
    assert_false(cert_store_drop(s, &what, &changed, &err));
    assert_non_null(strstr(err.text, "there is no root \"root-x\""));
    cert_store_close(s);
}

static void a_new_lab_does_not_overwrite_one(void **state)
{
    struct cert_store *s = make(state), *other;
    struct error err = {0};
    assert_false(cert_store_new(scratch_path(state, "lab"), "root-a", WALL_NS, &other, &err));
    assert_non_null(strstr(err.text, "another meshproof is at work there"));
    cert_store_close(s);
    err = (struct error){0};
    assert_false(cert_store_new(scratch_path(state, "lab"), "root-a", WALL_NS, &other, &err));
    assert_non_null(strstr(err.text, "there is a lab authority already"));
}

static void keys_are_for_their_owner_alone(void **state)
{
    static const char *const keys[] = {"lab/roots/root-a/root.key",
                                       "lab/roots/root-a/intermediate.key", "lab/payments/tls.key"};
    struct stat st;
    mode_t before = umask(0); /* not by the caller's umask */
    cert_store_close(make(state));
    umask(before);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(stat(scratch_path(state, keys[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(scratch_path(state, "lab/roots"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void state_that_is_not_ours_is_refused(void **state)
{
    static const char *const rows[][2] = {
        {"", "authority.json:"},
        {"[1", "authority.json:1:"},
        {"{\"version\": 2}", "is not of version 1"},
        {"{\"version\": 1}", "a name is missing"},
        {"{\"version\": 1, \"active\": \"../x\", \"roots\": [\"root-a\"]}", "is no name"},
        {"{\"version\": 1, \"active\": \"root-a\", \"roots\": []}", "0 roots"},
        {"{\"version\": 1, \"active\": \"root-a\", \"roots\": [\"../root-a\"]}", "is no name"},
        {"{\"version\": 1, \"active\": \"root-q\", \"roots\": [\"root-a\"]}",
         "names root \"root-q\", which is not there"},
        {"{\"version\": 1, \"active\": \"root-a\", \"roots\": [\"root-z\"]}",
         "roots/root-z/root.crt is not there"},
        {"{\"version\": 1, \"active\": \"root-a\", \"roots\": [\"root-a\"], \"places\": [{}]}",
         "a name is missing"},
        {"{\"version\": 1, \"active\": \"root-a\", \"roots\": [\"root-a\"], \"places\": "
         "[{\"name\": "
         "\"p\", \"root\": \"root-a\", \"kind\": \"good\", \"trusts\": [\"root-a\"], \"sans\": "
         "[\"x,y\"]}]}",
         "is neither a SPIFFE id"},
    };
    cert_store_close(make(state));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cert_store *s;
        struct error err = {0};
        scratch_write(state, "lab/authority.json", rows[i][0]);
        if (cert_store_open(scratch_path(state, "lab"), false, &s, &err))
            fail_msg("%s was taken", rows[i][0]);
        if (strstr(err.text, rows[i][1]) == NULL)
            fail_msg("%s: %s", rows[i][0], err.text);
    }
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(a_rotation_by_steps_survives_the_process),
        ON_DISK(a_step_that_parts_a_pair_needs_skew),
        ON_DISK(the_last_root_is_not_dropped),
        ON_DISK(a_new_lab_does_not_overwrite_one),
        ON_DISK(keys_are_for_their_owner_alone),
        ON_DISK(state_that_is_not_ours_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
