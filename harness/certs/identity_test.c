#include "certs/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void names_are_told_apart_by_their_look(void **state)
{
    static const struct {
        const char *text;
        enum san_kind kind;
    } rows[] = {
        {"spiffe://cluster.local/ns/shop/sa/payments", SAN_URI},
        {"spiffe://td", SAN_URI},
        {"payments.shop.svc.cluster.local", SAN_DNS},
        {"*.shop.svc", SAN_DNS},
        {"127.0.0.1", SAN_IP},
        {"::1", SAN_IP},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct identity id = {0};
        struct error err = {0};
        assert_true(identity_add(&id, rows[i].text, &err));
        assert_int_equal(id.sans[0].kind, rows[i].kind);
    }
}

static void names_that_no_peer_could_match_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "spiffe://",
        "spiffe://Cluster.local/x",
        "spiffe://td/",
        "spiffe://td/a//b",
        "spiffe://td/a/../b",
        "spiffe://td/a b",
        "spiffe://td/a?x=1",
        "spiffe://td:443/a",
        "-bad.svc",
        "a..b",
        "*",
        "a.*.b",
        "DNS:x,URI:y",
        "x,DNS:y",
        "http://x",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct identity id = {0};
        struct error err = {0};
        if (identity_add(&id, bad[i], &err))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(id.san_count, 0);
    }
}

static void meshes_identities_have_their_forms(void **state)
{
    struct identity id = {0};
    struct error err = {0};
    struct text t;
    (void)state;
    assert_true(identity_add_istio(&id, "cluster.local", "shop", "payments", &err));
    assert_true(identity_add_linkerd(&id, "cluster.local", "shop", "payments", &err));
    text_init(&t, 1024);
    identity_print(&id, &t);
    assert_string_equal(text_get(&t),
                        "spiffe://cluster.local/ns/shop/sa/payments,"
                        "payments.shop.serviceaccount.identity.linkerd.cluster.local");
    text_release(&t);
}

static void a_folder_is_named_after_the_account(void **state)
{
    static const char *const rows[][2] = {
        {"spiffe://cluster.local/ns/shop/sa/payments", "payments"},
        {"payments.shop.serviceaccount.identity.linkerd.cluster.local", "payments"},
        {"Payments.shop.svc", "payments.shop.svc"},
        {"*.shop.svc", "x.shop.svc"},
        {"::1", "x-1"},
    };
    char name[64];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct identity id = {0};
        struct error err = {0};
        assert_true(identity_add(&id, rows[i][0], &err));
        assert_string_equal(identity_short(&id, name, sizeof(name)), rows[i][1]);
    }
}

static void the_limit_of_names_names_itself(void **state)
{
    struct identity id = {0};
    struct error err = {0};
    (void)state;
    for (size_t i = 0; i < IDENTITY_SANS_MOST; i++)
        assert_true(identity_add(&id, "a.b", &err));
    assert_false(identity_add(&id, "a.b", &err));
    assert_string_equal(err.text, "more than the 16 names allowed in one certificate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_apart_by_their_look),
        cmocka_unit_test(names_that_no_peer_could_match_are_refused),
        cmocka_unit_test(meshes_identities_have_their_forms),
        cmocka_unit_test(a_folder_is_named_after_the_account),
        cmocka_unit_test(the_limit_of_names_names_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
