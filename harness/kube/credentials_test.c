#include "kube/credentials.h"

#include "base/clock.h"
#include "kube/exec_plugin.h"

#include "certs/authority.h"
#include "certs/certs_test.h"

#define CONFIG(cluster, user) \
    "apiVersion: v1\nkind: Config\ncurrent-context: dev\n" \
    "contexts: [{name: dev, context: {cluster: c, user: u, namespace: shop}}]\n" \
    "clusters: [{name: c, cluster: {" cluster "}}]\n" \
    "users: [{name: u, user: {" user "}}]\n"

static struct credentials *parse(const char *text, bool insecure, struct error *err)
{
    struct credentials_options options = {.insecure = insecure};
    struct credentials *c = NULL;
    return credentials_parse(bytes_of(text), "kc", "/f", &options, &c, err) ? c : NULL;
}

static void the_plain_one_is_read(void **state)
{
    struct error err = {0};
    struct credentials_view v;
    (void)state;
    struct credentials *c = parse(CONFIG("server: 'https://api.example:6443/k8s/', "
                                         "tls-server-name: kube, certificate-authority-data: "
                                         "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
                                         "token: abc.def"),
                                  false, &err);
    assert_non_null(c);
    credentials_view(c, &v);
    assert_string_equal(v.server, "https://api.example:6443/k8s");
    assert_string_equal(v.host_port, "api.example:6443");
    assert_string_equal(v.server_name, "kube");
    assert_string_equal(v.namespace, "shop");
    assert_string_equal(v.account, "u");
    assert_string_equal(v.ca_pem, "-----BEGIN CERTIFICATE-----\n");
    assert_string_equal(v.ca_name, "certificate-authority-data of kc");
    assert_false(v.in_cluster || v.insecure);
    assert_string_equal(credentials_token(c), "abc.def");
    credentials_free(c);
    c = parse(CONFIG("server: 'https://[::1]'", ""), false, &err);
    credentials_view(c, &v);
    assert_string_equal(v.host_port, "[::1]:443");
    assert_string_equal(credentials_token(c), "");
    credentials_free(c);
}

static void what_is_not_read_is_refused_by_its_name(void **state)
{
    static const struct {
        const char *text, *say;
    } rows[] = {
        {CONFIG("server: 'https://a'", "auth-provider: {name: gcp}"),
         "the user has auth-provider, which meshproof does not read"},
        {CONFIG("server: 'https://a'", "username: me, password: x"),
         "the user has username, which meshproof does not read"},
        {CONFIG("server: 'https://a'", "as: admin"),
         "the user has as, which meshproof does not read"},
        {CONFIG("server: 'https://a', proxy-url: 'http://p'", "token: t"),
         "the cluster has proxy-url, which meshproof does not read"},
        {CONFIG("server: 'http://a'", "token: t"), "the server http://a is not https"},
        {CONFIG("server: 'https://me:pw@a'", "token: t"), "the server is no plain https URL"},
        {CONFIG("token: t", "token: t"), "the cluster has token, which meshproof does not read"},
        {CONFIG("server: 'https://a', insecure-skip-tls-verify: true", "token: t"),
         "insecure-skip-tls-verify: anybody could play the API server and read the token; "
         "--insecure takes it nevertheless"},
        {CONFIG("server: 'https://a', certificate-authority-data: '!!'", "token: t"),
         "certificate-authority-data of kc holds no PEM text"},
        {CONFIG("server: 'https://a'", "token: \"a\\r\\nX-Evil: 1\""),
         "user.token is no token: it has other characters"},
        {CONFIG("server: 'https://a'",
                "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"),
         "exec.apiVersion is client.authentication.k8s.io/v1alpha1, it must be "
         "client.authentication.k8s.io/v1"},
        {CONFIG("server: 'https://a'", "exec: {apiVersion: client.authentication.k8s.io/v1, "
                                       "command: x, interactiveMode: Always}"),
         "exec.interactiveMode is Always: the plug-in wants a terminal, and gets none here"},
        {"current-context: x\n", "contexts has no context \"x\""},
        {"kind: Config\n", "there is no current-context, and none was named"},
        {"[]", "kc is no kubeconfig: it must be one map"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = {0};
        assert_null(parse(rows[i].text, false, &err));
        assert_string_equal(err.text, rows[i].say);
        assert_true(err.source.file == NULL || strcmp(err.source.file, "kc") == 0);
    }
}

static void insecure_is_taken_when_it_is_asked_for(void **state)
{
    struct error err = {0};
    struct credentials_view v;
    (void)state;
    struct credentials *c = parse(
        CONFIG("server: 'https://a', insecure-skip-tls-verify: true", "token: t"), true, &err);
    credentials_view(c, &v);
    assert_true(v.insecure);
    assert_string_equal(v.host_port, "a:443");
    credentials_free(c);
}

/* --- files --- */

static struct credentials *open_in(void **state, const char *config, struct error *err)
{
    static char path[300];
    struct credentials_options options = {.kubeconfig = path};
    struct credentials *c = NULL;
    scratch_write(state, "config", config);
    snprintf(path, sizeof(path), "%s", scratch_path(state, "config"));
    return credentials_open(&options, &c, err) ? c : NULL;
}

static void paths_are_relative_to_the_kubeconfig_and_tokens_are_read_anew(void **state)
{
    struct error err = {0};
    struct credentials_view v;
    scratch_write(state, "my.crt", "-----BEGIN CERTIFICATE-----\n");
    scratch_write(state, "my.key", "-----BEGIN EC PRIVATE KEY-----\n");
    scratch_write(state, "my.token", "one\n");
    struct credentials *c = open_in(state,
                                    CONFIG("server: 'https://a', certificate-authority: my.crt",
                                           "client-certificate: my.crt, client-key: my.key, "
                                           "tokenFile: my.token"),
                                    &err);
    assert_non_null(c);
    credentials_view(c, &v);
    assert_string_equal(v.cert_pem, "-----BEGIN CERTIFICATE-----\n");
    assert_string_equal(v.key_pem, "-----BEGIN EC PRIVATE KEY-----\n");
    assert_string_equal(v.ca_name, scratch_path(state, "my.crt"));
    assert_true(credentials_refresh(c, false, &err));
    assert_string_equal(credentials_token(c), "one");
    scratch_write(state, "my.token", "two\n");
    assert_true(credentials_refresh(c, false, &err));
    assert_string_equal(credentials_token(c), "two");
    scratch_write(state, "my.token", " \n");
    assert_false(credentials_refresh(c, false, &err));
    credentials_free(c);
    err = (struct error){0};
    assert_null(open_in(state, CONFIG("server: 'https://a'", "client-certificate: my.crt"), &err));
    assert_non_null(strstr(err.text, "without its key"));
}

static void several_files_are_refused(void **state)
{
    struct credentials_options options = {0};
    struct credentials *c;
    struct error err = {0};
    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    setenv("KUBECONFIG", "/a:/b", 1);
    assert_false(credentials_open(&options, &c, &err));
    assert_string_equal(err.text, "KUBECONFIG names several files; meshproof reads one: name it");
    assert_int_equal(err.kind, ERROR_USAGE);
    unsetenv("KUBECONFIG");
}

static void a_pod_has_brackets_where_its_server_is_ipv6(void **state)
{
    struct credentials_options options = {.folder = (const char *)*state};
    struct credentials_view v;
    struct credentials *c;
    struct error err = {0};
    unsetenv("KUBECONFIG");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_false(credentials_open(&options, &c, &err));
    err = (struct error){0};
    scratch_write(state, "ca.crt", "-----BEGIN CERTIFICATE-----\n");
    scratch_write(state, "namespace", "meshproof");
    assert_true(credentials_open(&options, &c, &err));
    credentials_view(c, &v);
    assert_string_equal(v.server, "https://[fd00::1]:443");
    assert_string_equal(v.namespace, "meshproof");
    assert_true(v.in_cluster);
    credentials_free(c);
    unsetenv("KUBERNETES_SERVICE_HOST");
}

/* --- plug-ins --- */

static void script(void **state, const char *name, const char *text)
{
    scratch_write(state, name, text);
    assert_int_equal(chmod(scratch_path(state, name), 0700), 0);
}

#define EXEC(words) \
    CONFIG("server: 'https://a'", "exec: {apiVersion: client.authentication.k8s.io/v1, " words "}")

static void a_plug_in_is_run_with_its_words_and_kept_until_it_expires(void **state)
{
    struct error err = {0};
    script(state, "plug",
           "#!/bin/sh\necho x >>\"$(dirname \"$0\")/runs\"\n"
           "test \"$1 $COLOUR\" = 'a b red' || exit 7\n"
           "case $KUBERNETES_EXEC_INFO in *'\"interactive\":false'*) ;; *) exit 8;; esac\n"
           "cat \"$(dirname \"$0\")/answer\"\n");
    scratch_write(
        state, "answer",
        "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
        "\"status\":{\"token\":\"t-1\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}}");
    struct credentials *c = open_in(
        state, EXEC("command: ./plug, args: ['a b'], env: [{name: COLOUR, value: red}]"), &err);
    assert_non_null(c);
    struct stat st;
    assert_int_equal(stat(scratch_path(state, "runs"), &st), -1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(credentials_refresh(c, false, &err));
    assert_string_equal(credentials_token(c), "t-1");
    assert_int_equal(stat(scratch_path(state, "runs"), &st), 0);
    assert_int_equal(st.st_size, 2); /* once */
    /* A 401: whatever the expiry says. */
    scratch_write(
        state, "answer",
        "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
        "\"status\":{\"token\":\"t-2\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}");
    assert_true(credentials_refresh(c, true, &err));
    assert_string_equal(credentials_token(c), "t-2");
    /* Expired: each time. */
    assert_true(credentials_refresh(c, false, &err));
    assert_int_equal(stat(scratch_path(state, "runs"), &st), 0);
    assert_int_equal(st.st_size, 6);
    scratch_write(state, "answer", "secret-that-is-no-json");
    assert_false(credentials_refresh(c, true, &err));
    assert_string_equal(err.text, "the credential plug-in printed no JSON");
    credentials_free(c);
}

static void a_plug_in_that_fails_or_hangs_is_said(void **state)
{
    struct error err = {0};
    struct buffer out;
    static const char *const none[] = {NULL};
    char path[300];
    script(state, "fails", "#!/bin/sh\nexit 3\n");
    /* It closes its output and stays; its child too. */
    script(state, "hangs", "#!/bin/sh\nsleep 600 &\nexec >&-\nsleep 600\n");
    script(state, "talks", "#!/bin/sh\nsleep 600\n");
    snprintf(path, sizeof(path), "%s", scratch_path(state, "fails"));
    struct exec_plugin p = {.command = path, .args = none, .env = none};
    buffer_init(&out, 1000);
    assert_false(exec_plugin_run(&p, "{}", 20 * NS_PER_S, &out, &err));
    assert_non_null(strstr(err.text, "failed: exit 3"));
    static const char *const names[] = {"hangs", "talks"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        err = (struct error){0};
        snprintf(path, sizeof(path), "%s", scratch_path(state, names[i]));
        uint64_t start = clock_now_ns();
        assert_false(exec_plugin_run(&p, "{}", NS_PER_S, &out, &err));
        assert_non_null(strstr(err.text, "took more than 1 s"));
        assert_true(clock_now_ns() - start < 60 * NS_PER_S);
    }
    err = (struct error){0};
    p.command = "no-such-plug-in-here";
    p.install_hint = "install it";
    assert_false(exec_plugin_run(&p, "{}", NS_PER_S, &out, &err));
    assert_string_equal(err.text, "the credential plug-in no-such-plug-in-here: No such file or "
                                  "directory: install it");
    buffer_release(&out);
}

static void times_are_rfc_3339(void **state)
{
    static const struct {
        const char *text;
        uint64_t want; /* 0: refused */
    } rows[] = {{"2026-11-18T11:06:40Z", 1795000000},
                {"2026-11-18T11:06:40.123456Z", 1795000000},
                {"2026-11-18T13:06:40+02:00", 1795000000},
                {"2026-11-18T03:36:40-07:30", 1795000000},
                {"2026-11-18T11:06:40", 0},
                {"2026-11-18", 0},
                {"2026-11-18T11:06:40Zx", 0},
                {"", 0}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 0;
        assert_int_equal(exec_plugin_time(rows[i].text, &got), rows[i].want != 0);
        assert_int_equal(got, rows[i].want);
    }
}

#define SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plain_one_is_read),
        cmocka_unit_test(what_is_not_read_is_refused_by_its_name),
        cmocka_unit_test(insecure_is_taken_when_it_is_asked_for),
        SCRATCH(paths_are_relative_to_the_kubeconfig_and_tokens_are_read_anew),
        cmocka_unit_test(several_files_are_refused),
        SCRATCH(a_pod_has_brackets_where_its_server_is_ipv6),
        SCRATCH(a_plug_in_is_run_with_its_words_and_kept_until_it_expires),
        SCRATCH(a_plug_in_that_fails_or_hangs_is_said),
        cmocka_unit_test(times_are_rfc_3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
