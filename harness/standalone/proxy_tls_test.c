#include "standalone/proxy_tls.h"

#include "base/clock.h"
#include "certs/cert_store.h"
#include "certs/certs_test.h"
#include "standalone/proxy_spec.h"

/* A lab with one place, and room for a proxy's words. */
struct rig {
    char folder[64], lab[80];
};

static struct cert_store *store_of(const struct rig *r)
{
    struct cert_store *s = NULL;
    struct error err = {0};
    if (!cert_store_open(r->lab, true, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

static int make(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct cert_store *s = NULL;
    struct identity id = {0};
    struct error err = {0};
    snprintf(r->folder, sizeof(r->folder), "/tmp/meshproof-proxy-tls-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->lab, sizeof(r->lab), "%s/lab", r->folder);
    bool ok = identity_add(&id, "spiffe://td/ns/shop/sa/us", &err) &&
              cert_store_new(r->lab, "root-a", clock_wall_ns(), &s, &err) &&
              cert_store_add_place(s, "us", &id, 3600, clock_wall_ns(), &err) &&
              cert_store_add_place(s, "them", &id, 3600, clock_wall_ns(), &err);
    if (!ok)
        fail_msg("%s", err.text);
    cert_store_close(s);
    *state = r;
    return 0;
}

static int unmake(void **state)
{
    struct rig *r = *state;
    int failed = nftw(r->folder, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(r);
    return failed;
}

/* ' stands for ", @ for the lab's folder. */
static json_t *parse(const struct rig *r, const char *text)
{
    char whole[2000];
    size_t len = 0;
    for (const char *p = text; *p != '\0'; p++)
        len += (size_t)snprintf(whole + len, sizeof(whole) - len, *p == '@' ? "%s" : "%.1s",
                                *p == '@'    ? r->lab
                                : *p == '\'' ? "\""
                                             : p);
    json_t *json = json_loads(whole, 0, NULL);
    assert_non_null(json);
    return json;
}

static void reads(const struct rig *r, const char *text, struct proxy_spec *ret)
{
    struct error err = {0};
    json_t *json = parse(r, text);
    if (!proxy_spec_read(json, 1, ret, &err))
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
}

static void refuses(const struct rig *r, const char *keys, const char *words)
{
    char text[1000];
    struct proxy_spec spec;
    struct error err = {0};
    snprintf(text, sizeof(text), "{'name': 'a', 'to': '127.0.0.1:9', %s}", keys);
    json_t *json = parse(r, text);
    assert_false(proxy_spec_read(json, 1, &spec, &err));
    if (strstr(err.text, words) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", keys, err.text, words);
    proxy_spec_release(&spec);
    json_decref(json);
}

#define OWN "'tls': {'cert': '@/us/tls.crt', 'key': '@/us/tls.key'}"

static void both_sides_have_a_context_when_they_are_asked_for(void **state)
{
    struct proxy_spec spec;
    reads(*state, "{'name': 'a', 'to': '127.0.0.1:9'}", &spec);
    assert_null(spec.tls.contexts[SIDE_REQUEST]);
    assert_null(spec.tls.contexts[SIDE_RESPONSE]);
    proxy_spec_release(&spec);
    reads(*state, "{'name': 'a', 'to': '127.0.0.1:9', 'to_tls': true, " OWN "}", &spec);
    assert_int_equal(tls_context_role(spec.tls.contexts[SIDE_REQUEST]), TLS_SERVER);
    assert_int_equal(tls_context_role(spec.tls.contexts[SIDE_RESPONSE]), TLS_CLIENT);
    json_t *told = json_object();
    proxy_tls_describe(&spec.tls, told);
    assert_non_null(json_object_get(json_object_get(told, "tls"), "cert"));
    assert_true(json_is_object(json_object_get(told, "to_tls")));
    json_decref(told);
    proxy_spec_release(&spec);
}

static void what_is_wrong_names_the_key_and_the_file(void **state)
{
    refuses(*state, "'tls': true", "tls must be an object");
    refuses(*state, "'tls': {}", "tls needs cert and key, or lab and identity");
    refuses(*state, "'tls': {'crt': 'x'}", "tls has no key \"crt\" (did you mean \"cert\"?)");
    refuses(*state, "'tls': {'cert': '@/us/tls.crt'}", "tls has cert without key");
    refuses(*state, "'tls': {'cert': '@/none', 'key': 'x'}", "tls.cert: there is no file ");
    refuses(*state, "'tls': {'cert': '@/us/tls.key', 'key': '@/us/tls.key'}",
            "us/tls.key: expected a PEM certificate");
    refuses(*state, "'tls': {'cert': '@/us/tls.crt', 'key': '@/us/ca.crt'}",
            "us/ca.crt: expected a PEM private key");
    refuses(*state, "'tls': {'cert': '@/us/tls.crt', 'key': '@/them/tls.key'}",
            "the private key is not that of the certificate");
    refuses(*state, "'tls': {'lab': '@'}", "tls has lab without identity");
    refuses(*state, "'to_tls': {'min': '1.1'}", "it must be \"1.2\" or \"1.3\"");
    refuses(*state, "'to_tls': {'min': '1.3', 'max': '1.2'}", "to_tls.min is 1.3, which is above");
    refuses(*state, "'to_tls': {'resumption': 'on'}", "to_tls.resumption must be true or false");
    refuses(*state, "'protocol': 'toxic', 'to_tls': true", "protocol toxic has no TLS");
}

static void other_bytes_have_another_digest_and_equal_ones_the_same(void **state)
{
    static const char text[] = "{'name': 'a', 'to': '127.0.0.1:9', " OWN "}";
    const char *const places[] = {"us"};
    struct cert_step step = {
        .root = "root-a", .places = places, .place_count = 1, .wall_ns = clock_wall_ns()};
    struct proxy_spec before, same, after;
    struct error err = {0};
    size_t changed = 0;
    reads(*state, text, &before);
    reads(*state, text, &same);
    struct cert_store *s = store_of(*state);
    assert_true(cert_store_issue(s, &step, &changed, &err));
    cert_store_close(s);
    reads(*state, text, &after);
    assert_true(proxy_tls_same_keys(&before.tls, &after.tls));
    assert_memory_equal(before.tls.digest, same.tls.digest, sizeof(same.tls.digest));
    assert_memory_not_equal(before.tls.digest, after.tls.digest, sizeof(after.tls.digest));
    proxy_spec_release(&before);
    proxy_spec_release(&same);
    proxy_spec_release(&after);
}

#define MADE "'tls': {'lab': '@', 'identity': 'spiffe://td/ns/shop/sa/us,localhost'}"

static void a_lab_makes_the_leaves_that_fault_cert_chooses_from(void **state)
{
    struct proxy_spec spec;
    reads(*state,
          "{'name': 'a', 'to': '127.0.0.1:9', " MADE
          ", 'faults': [{'word': 'cert', 'kind': 'wrong_trust_domain'},"
          " {'word': 'cert', 'kind': 'expired', 'by': '2h'}]}",
          &spec);
    assert_non_null(spec.tls.contexts[SIDE_REQUEST]);
    proxy_spec_release(&spec);
    refuses(*state, OWN ", 'faults': [{'word': 'cert', 'kind': 'expired'}]",
            "needs an authority to make that leaf");
    refuses(*state, "'faults': [{'word': 'cert', 'kind': 'no_certificate'}]", "it needs to_tls");
    refuses(*state,
            "'tls': {'lab': '@', 'identity': 'localhost'}, 'faults': [{'word': 'cert', 'kind': "
            "'wrong_trust_domain'}]",
            "can have no such leaf");
    refuses(*state,
            MADE ", 'faults': [{'word': 'cert', 'kind': 'expired', 'by': '2h'},"
                 " {'word': 'cert', 'kind': 'expired', 'by': '3h'}]",
            "two fault.cert of kind expired with different by");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_sides_have_a_context_when_they_are_asked_for, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(what_is_wrong_names_the_key_and_the_file, make, unmake),
        cmocka_unit_test_setup_teardown(other_bytes_have_another_digest_and_equal_ones_the_same,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(a_lab_makes_the_leaves_that_fault_cert_chooses_from, make,
                                        unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
