#include "certs/authority.h"

#include "certs/certs_test.h"
#include "certs/cert_chain.h"

#define ACCOUNT "spiffe://cluster.local/ns/shop/sa/payments"
#define LINKERD "payments.shop.serviceaccount.identity.linkerd.cluster.local"

static struct identity identity_of(const char *text)
{
    struct identity id = {0};
    struct error err = {0};
    assert_true(identity_add(&id, text, &err));
    return id;
}

static struct authority *with_roots(const char *a, const char *b)
{
    struct error err = {0};
    struct authority *authority = authority_new();
    assert_true(authority_add_root(authority, a, WALL_S, &err));
    assert_true(b == NULL || authority_add_root(authority, b, WALL_S, &err));
    return authority;
}

static struct issued issue(struct authority *a, const char *san, const char *root,
                           enum cert_kind kind)
{
    struct identity id = identity_of(san);
    struct issued i;
    struct error err = {0};
    struct leaf_order order = {
        .identity = &id, .root = root, .kind = kind, .wall_s = WALL_S, .ttl_s = 86400, .by_s = 600};
    bool ok = authority_issue(a, &order, &i, &err);
    if (!ok)
        fail_msg("%s", err.text);
    return i;
}

static void write_bundle(void **state, const struct authority *a, const char *root)
{
    struct text t;
    struct error err = {0};
    text_init(&t, 65536);
    assert_true(authority_bundle(a, &root, 1, &t, &err));
    scratch_write(state, "ca.crt", text_get(&t));
    text_release(&t);
}

/* The verdict of `openssl verify` on ${i} with root-a trusted, at WALL_S; its words are in ${out}.
 */
static int verify(void **state, const struct authority *a, const struct issued *i, struct text *out)
{
    char at[24];
    write_bundle(state, a, "root-a");
    scratch_write(state, "tls.crt", i->chain_pem);
    snprintf(at, sizeof(at), "%llu", (unsigned long long)WALL_S);
    return openssl_run(state, out, "verify", "-attime", at, "-x509_strict", "-purpose", "sslserver",
                       "-CAfile", "ca.crt", "-untrusted", "tls.crt", "tls.crt", NULL);
}

static void a_good_leaf_is_what_openssl_calls_good(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct issued i = issue(a, ACCOUNT, "root-a", CERT_GOOD);
    struct text out;
    int code = verify(state, a, &i, &out);
    if (code != 0)
        fail_msg("%s", text_get(&out));
    text_release(&out);
    assert_string_equal(i.root, "root-a");
    assert_true(i.not_after_s - i.not_before_s == 86400 + AUTHORITY_BACKDATE_S);
    issued_release(&i);
    authority_free(a);
}

static void assert_says(void **state, const char *pem, const char *const *wanted)
{
    struct text out;
    scratch_write(state, "one.crt", pem);
    assert_int_equal(openssl_run(state, &out, "x509", "-in", "one.crt", "-noout", "-text", NULL),
                     0);
    for (; *wanted != NULL; wanted++) {
        if (strstr(text_get(&out), *wanted) == NULL)
            fail_msg("\"%s\" is not in %s", *wanted, text_get(&out));
    }
    text_release(&out);
}

static void a_leaf_has_the_extensions_of_an_svid(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct issued i = issue(a, ACCOUNT, "root-a", CERT_GOOD);
    const char *const leaf[] = {"Subject: \n",
                                "Subject Alternative Name: critical",
                                "URI:spiffe://cluster.local/ns/shop/sa/payments",
                                "Basic Constraints: critical",
                                "CA:FALSE",
                                "Key Usage: critical",
                                "Digital Signature\n",
                                "TLS Web Server Authentication, TLS Web Client Authentication",
                                "Subject Key Identifier",
                                "Authority Key Identifier",
                                "NIST CURVE: P-256",
                                "ecdsa-with-SHA256",
                                NULL};
    assert_says(state, i.chain_pem, leaf);
    issued_release(&i);
    authority_free(a);
}

static void roots_and_intermediates_are_authorities(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct root_pems pems;
    struct error err = {0};
    const char *const root[] = {"CN = root-a\n", "CA:TRUE\n", "Certificate Sign, CRL Sign",
                                "Key Usage: critical", NULL};
    const char *const intermediate[] = {"CN = root-a intermediate", "CA:TRUE, pathlen:0",
                                        "Certificate Sign, CRL Sign", "Authority Key Identifier",
                                        NULL};
    assert_true(authority_export(a, "root-a", &pems, &err));
    assert_says(state, pems.root, root);
    assert_says(state, pems.intermediate, intermediate);
    root_pems_release(&pems);
    authority_free(a);
}

static void linkerd_dns_and_ip_names_are_written_as_such(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct identity id = identity_of(LINKERD);
    struct error err = {0};
    struct issued i;
    const char *const wanted[] = {
        "DNS:" LINKERD ", DNS:payments.shop.svc, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        NULL};
    assert_true(identity_add(&id, "payments.shop.svc", &err));
    assert_true(identity_add(&id, "127.0.0.1", &err) && identity_add(&id, "::1", &err));
    struct leaf_order order = {.identity = &id, .root = "root-a", .wall_s = WALL_S, .ttl_s = 3600};
    assert_true(authority_issue(a, &order, &i, &err));
    assert_says(state, i.chain_pem, wanted);
    issued_release(&i);
    authority_free(a);
}

static void each_skew_is_refused_for_its_own_reason(void **state)
{
    static const struct {
        enum cert_kind kind;
        const char *reason, *root;
    } rows[] = {
        {CERT_EXPIRED, "certificate has expired", "root-a"},
        {CERT_NOT_YET_VALID, "certificate is not yet valid", "root-a"},
        {CERT_UNKNOWN_ROOT, "unable to get local issuer certificate", "unknown"},
        {CERT_MISSING_INTERMEDIATE, "unable to get local issuer certificate", "root-a"},
        {CERT_SAMENAME_ROOT, "unable to get local issuer certificate", "root-a (same name)"},
    };
    struct authority *a = with_roots("root-a", NULL);
    for (size_t n = 0; n < COUNT_OF(rows); n++) {
        struct issued i = issue(a, ACCOUNT, "root-a", rows[n].kind);
        struct text out;
        assert_int_not_equal(verify(state, a, &i, &out), 0);
        if (strstr(text_get(&out), rows[n].reason) == NULL)
            fail_msg("%s: %s", cert_kind_word(rows[n].kind), text_get(&out));
        assert_string_equal(i.root, rows[n].root);
        text_release(&out);
        issued_release(&i);
    }
    authority_free(a);
}

/* Without the key identifier a verifier takes the trusted root by its name, and then finds that the
 * signature is another's: alert 51 instead of 48 (tls-measured.md 2.1). */
static void a_samename_root_without_key_identifier_fails_at_the_signature(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct identity id = identity_of(ACCOUNT);
    struct issued i;
    struct text out;
    struct error err = {0};
    struct leaf_order order = {.identity = &id,
                               .root = "root-a",
                               .kind = CERT_SAMENAME_ROOT,
                               .wall_s = WALL_S,
                               .ttl_s = 3600,
                               .omit_authority_key = true};
    assert_true(authority_issue(a, &order, &i, &err));
    write_bundle(state, a, "root-a");
    scratch_write(state, "tls.crt", i.chain_pem);
    assert_int_not_equal(openssl_run(state, &out, "verify", "-no_check_time", "-CAfile", "ca.crt",
                                     "-untrusted", "tls.crt", "tls.crt", NULL),
                         0);
    assert_non_null(strstr(text_get(&out), "certificate signature failure"));
    text_release(&out);
    issued_release(&i);
    authority_free(a);
}

static void wrong_names_keep_the_root(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    static const struct {
        enum cert_kind kind;
        const char *of, *sans;
    } rows[] = {
        {CERT_WRONG_SAN, ACCOUNT, "spiffe://cluster.local/ns/shop/sa/not-payments"},
        {CERT_WRONG_SAN, LINKERD, "not-" LINKERD},
        {CERT_WRONG_SAN, "127.0.0.1", "192.0.2.1"},
        {CERT_WRONG_SAN, "spiffe://cluster.local", "spiffe://cluster.local/not-root"},
        {CERT_WRONG_TRUST_DOMAIN, ACCOUNT, "spiffe://elsewhere.example/ns/shop/sa/payments"},
        {CERT_WRONG_TRUST_DOMAIN, LINKERD,
         "payments.shop.serviceaccount.identity.linkerd.elsewhere.example"},
    };
    for (size_t n = 0; n < COUNT_OF(rows); n++) {
        struct issued i = issue(a, rows[n].of, "root-a", rows[n].kind);
        struct cert_chain c;
        struct error err = {0};
        struct text out;
        assert_int_equal(verify(state, a, &i, &out), 0);
        assert_true(cert_chain_read(i.chain_pem, i.key_pem, NULL, WALL_S, &c, &err));
        assert_string_equal(c.sans, rows[n].sans);
        assert_string_equal(c.serial, i.serial);
        text_release(&out);
        issued_release(&i);
    }
    authority_free(a);
}

static void a_trust_domain_cannot_be_wrong_where_there_is_none(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct identity id = identity_of("payments.shop.svc");
    struct error err = {0};
    struct issued i;
    struct leaf_order order = {.identity = &id,
                               .root = "root-a",
                               .kind = CERT_WRONG_TRUST_DOMAIN,
                               .wall_s = WALL_S,
                               .ttl_s = 3600};
    (void)state;
    assert_false(authority_issue(a, &order, &i, &err));
    assert_string_equal(err.text, "wrong_trust_domain needs a SPIFFE id or a Linkerd identity; "
                                  "there is payments.shop.svc");
    assert_null(i.chain_pem);
    authority_free(a);
}

static void a_skew_below_a_minute_is_refused(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct identity id = identity_of(ACCOUNT);
    struct issued i;
    struct leaf_order order = {.identity = &id,
                               .root = "root-a",
                               .kind = CERT_EXPIRED,
                               .wall_s = WALL_S,
                               .ttl_s = 3600,
                               .by_s = 59};
    struct error err = {0};
    (void)state;
    assert_false(authority_issue(a, &order, &i, &err));
    assert_non_null(strstr(err.text, "at least 60 s"));
    err = (struct error){0};
    order.by_s = 60;
    assert_true(authority_issue(a, &order, &i, &err));
    assert_true(i.not_after_s == WALL_S - 60);
    issued_release(&i);
    order.ttl_s = 0;
    assert_false(authority_issue(a, &order, &i, &err));
    authority_free(a);
}

static void no_certificate_is_no_certificate(void **state)
{
    struct authority *a = with_roots("root-a", NULL);
    struct issued i = issue(a, ACCOUNT, "root-a", CERT_NO_CERTIFICATE);
    struct cert_leaf leaf = issued_leaf(&i);
    (void)state;
    assert_null(leaf.chain_pem);
    assert_null(leaf.key_pem);
    issued_release(&i);
    authority_free(a);
}

static void a_bundle_keeps_the_order_given(void **state)
{
    struct authority *a = with_roots("root-a", "root-b");
    const char *const names[] = {"root-b", "root-a"}, *const missing[] = {"root-c"};
    struct text t;
    struct cert_bundle b;
    struct error err = {0};
    (void)state;
    text_init(&t, 65536);
    assert_true(authority_bundle(a, names, 2, &t, &err));
    assert_true(cert_bundle_read(text_get(&t), &b, &err));
    assert_int_equal(b.root_count, 2);
    assert_string_equal(b.roots[0].name, "root-b");
    assert_string_equal(b.roots[1].name, "root-a");
    assert_false(authority_bundle(a, missing, 1, &t, &err));
    assert_string_equal(err.text, "there is no root \"root-c\"; there is root-a, root-b");
    text_release(&t);
    authority_free(a);
}

static void a_leaf_of_another_root_holds_before_the_bundle_that_has_it(void **state)
{
    struct authority *a = with_roots("root-a", "root-b");
    struct issued i = issue(a, ACCOUNT, "root-b", CERT_NEW_ROOT);
    const char *const old[] = {"root-a"}, *const both[] = {"root-a", "root-b"};
    struct text one, two;
    struct cert_chain c;
    struct error err = {0};
    (void)state;
    text_init(&one, 65536);
    text_init(&two, 65536);
    assert_true(authority_bundle(a, old, 1, &one, &err) &&
                authority_bundle(a, both, 2, &two, &err));
    assert_true(cert_chain_read(i.chain_pem, i.key_pem, text_get(&one), WALL_S, &c, &err));
    assert_string_equal(c.problem, "unable to get local issuer certificate");
    assert_string_equal(c.root, "");
    assert_true(cert_chain_read(i.chain_pem, i.key_pem, text_get(&two), WALL_S, &c, &err));
    assert_string_equal(c.problem, "");
    assert_string_equal(c.root, "root-b");
    assert_true(cert_chain_read(i.chain_pem, NULL, text_get(&two), i.not_after_s + 1, &c, &err));
    assert_string_equal(c.problem, "certificate has expired");
    text_release(&one);
    text_release(&two);
    issued_release(&i);
    authority_free(a);
}

static void serials_differ_and_follow_the_clock(void **state)
{
    struct authority *a = with_roots("root-a", NULL), *b = with_roots("root-a", NULL);
    struct issued one = issue(a, ACCOUNT, "root-a", CERT_GOOD);
    struct issued two = issue(a, ACCOUNT, "root-a", CERT_GOOD);
    struct issued same = issue(b, ACCOUNT, "root-a", CERT_GOOD);
    (void)state;
    assert_true(strcmp(one.serial, two.serial) < 0);
    assert_string_equal(one.serial, same.serial); /* the keys differ, the names do not */
    assert_string_not_equal(one.key_pem, same.key_pem);
    issued_release(&one);
    issued_release(&two);
    issued_release(&same);
    authority_free(a);
    authority_free(b);
}

static void a_root_can_leave_and_come_back(void **state)
{
    struct authority *a = with_roots("root-a", NULL), *b = authority_new();
    struct root_pems pems, other;
    struct error err = {0};
    struct text out;
    assert_true(authority_export(a, "root-a", &pems, &err));
    assert_true(authority_import(b, "root-a", &pems, &err));
    struct issued i = issue(b, ACCOUNT, "root-a", CERT_GOOD);
    assert_int_equal(verify(state, a, &i, &out), 0);
    text_release(&out);
    assert_false(authority_import(b, "root-a", &pems, &err));
    assert_string_equal(err.text, "there are two roots \"root-a\"");

    struct authority *c = with_roots("root-b", NULL);
    assert_true(authority_export(c, "root-b", &other, &err));
    char *own = pems.intermediate_key;
    pems.intermediate_key = other.intermediate_key;
    err = (struct error){0};
    assert_false(authority_import(b, "root-x", &pems, &err));
    assert_string_equal(err.text, "the key of the intermediate is another certificate's");
    pems.intermediate_key = own;
    own = pems.root;
    pems.root = pems.root_key;
    err = (struct error){0};
    assert_false(authority_import(b, "root-x", &pems, &err));
    assert_string_equal(err.text, "the root or its key is not PEM");
    pems.root = own;
    root_pems_release(&pems);
    root_pems_release(&other);
    issued_release(&i);
    authority_free(a);
    authority_free(b);
    authority_free(c);
}

static void names_that_would_leave_their_folder_are_refused(void **state)
{
    static const char *const bad[] = {
        "",        "..",
        ".hidden", "a/b",
        "-x",      "root a",
        "root\n",  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        assert_false(authority_name_check(bad[i], &err));
    }
    struct error err = {0};
    assert_true(authority_name_check("root-b.2026_11", &err));
}

static void kinds_are_parsed_by_their_words(void **state)
{
    enum cert_kind kind;
    struct error err = {0};
    (void)state;
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++) {
        assert_true(cert_kind_parse(cert_kind_word((enum cert_kind)i), &kind, &err));
        assert_int_equal(kind, i);
    }
    assert_null(cert_kind_words[CERT_KIND_COUNT]);
    assert_false(cert_kind_parse("expird", &kind, &err));
    assert_non_null(strstr(err.text, "there is expired, not_yet_valid"));
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(a_good_leaf_is_what_openssl_calls_good),
        ON_DISK(a_leaf_has_the_extensions_of_an_svid),
        ON_DISK(roots_and_intermediates_are_authorities),
        ON_DISK(linkerd_dns_and_ip_names_are_written_as_such),
        ON_DISK(each_skew_is_refused_for_its_own_reason),
        ON_DISK(a_samename_root_without_key_identifier_fails_at_the_signature),
        ON_DISK(wrong_names_keep_the_root),
        cmocka_unit_test(a_trust_domain_cannot_be_wrong_where_there_is_none),
        cmocka_unit_test(a_skew_below_a_minute_is_refused),
        cmocka_unit_test(no_certificate_is_no_certificate),
        cmocka_unit_test(a_bundle_keeps_the_order_given),
        cmocka_unit_test(a_leaf_of_another_root_holds_before_the_bundle_that_has_it),
        cmocka_unit_test(serials_differ_and_follow_the_clock),
        ON_DISK(a_root_can_leave_and_come_back),
        cmocka_unit_test(names_that_would_leave_their_folder_are_refused),
        cmocka_unit_test(kinds_are_parsed_by_their_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
