#include "certs/cert_set.h"

#include "certs/certs_test.h"
#include "certs/cert_chain.h"

static struct cert_set set_of(struct authority *a, const char *san)
{
    struct identity id = {0};
    struct cert_set s;
    struct error err = {0};
    assert_true(identity_add(&id, san, &err));
    assert_true(authority_add_root(a, "root-a", WALL_S, &err));
    const struct cert_set_order order = {.identity = &id,
                                         .root = "root-a",
                                         .old_root = "root-before",
                                         .new_root = "root-after",
                                         .wall_s = WALL_S,
                                         .ttl_s = 3600,
                                         .by_s = 600};
    if (!cert_set_make(a, &order, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

static void every_kind_is_there_and_only_the_right_ones_hold(void **state)
{
    static const bool holds[CERT_KIND_COUNT] = {
        [CERT_GOOD] = true, [CERT_WRONG_SAN] = true, [CERT_WRONG_TRUST_DOMAIN] = true};
    struct authority *a = authority_new();
    struct cert_set s = set_of(a, "spiffe://td/ns/x/sa/y");
    struct text bundle;
    struct error err = {0};
    const char *const trusted[] = {"root-a"};
    (void)state;
    text_init(&bundle, 65536);
    assert_true(authority_bundle(a, trusted, 1, &bundle, &err));
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++) {
        struct cert_leaf leaf;
        struct cert_chain c;
        assert_true(cert_set_leaf(&s, (enum cert_kind)i, &leaf));
        assert_int_equal(leaf.chain_pem == NULL, i == CERT_NO_CERTIFICATE);
        if (leaf.chain_pem == NULL)
            continue;
        assert_true(
            cert_chain_read(leaf.chain_pem, leaf.key_pem, text_get(&bundle), WALL_S, &c, &err));
        if ((c.problem[0] == '\0') != holds[i])
            fail_msg("%s: \"%s\"", cert_kind_word((enum cert_kind)i), c.problem);
    }
    assert_string_equal(s.leaves[CERT_OLD_ROOT].root, "root-before");
    assert_string_equal(s.leaves[CERT_NEW_ROOT].root, "root-after");
    text_release(&bundle);
    cert_set_release(&s);
    authority_free(a);
}

static void an_identity_without_trust_domain_lacks_that_one_alone(void **state)
{
    struct authority *a = authority_new();
    struct cert_set s = set_of(a, "payments.shop.svc");
    (void)state;
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++) {
        struct cert_leaf leaf;
        assert_int_equal(cert_set_leaf(&s, (enum cert_kind)i, &leaf), i != CERT_WRONG_TRUST_DOMAIN);
    }
    cert_set_release(&s);
    authority_free(a);
}

static void a_set_that_cannot_be_is_released(void **state)
{
    struct authority *a = authority_new();
    struct identity id = {0};
    struct cert_set s;
    struct error err = {0};
    (void)state;
    assert_true(identity_add(&id, "a.b", &err));
    const struct cert_set_order order = {.identity = &id,
                                         .root = "root-missing",
                                         .old_root = "root-before",
                                         .new_root = "root-after",
                                         .wall_s = WALL_S,
                                         .ttl_s = 3600,
                                         .by_s = 600};
    assert_false(cert_set_make(a, &order, &s, &err));
    assert_non_null(strstr(err.text, "there is no root \"root-missing\""));
    assert_false(s.has[CERT_GOOD]);
    authority_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_there_and_only_the_right_ones_hold),
        cmocka_unit_test(an_identity_without_trust_domain_lacks_that_one_alone),
        cmocka_unit_test(a_set_that_cannot_be_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
