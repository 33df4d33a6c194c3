/* Clients that we did not write: curl and openssl s_client against the proxy. */

#include "net/tls_peer_test.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static char folder[] = "/tmp/meshproof-tls-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *to = path[next++ % 4];
    snprintf(to, sizeof(path[0]), "%s/%s", folder, name);
    return to;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    lab_open(&lab);
    if (mkdtemp(folder) == NULL)
        return 1;
    write_file("ca", text_get(&lab.bundle));
    write_file("cert", lab_leaf(&lab.client, CERT_GOOD).chain_pem);
    write_file("key", lab_leaf(&lab.client, CERT_GOOD).key_pem);
    write_file("old", lab_leaf(&lab.client, CERT_EXPIRED).chain_pem);
    write_file("oldkey", lab_leaf(&lab.client, CERT_EXPIRED).key_pem);
    return 0;
}
static int tear_down(void **state)
{
    static const char *const names[] = {"ca", "cert", "key", "old", "oldkey", "out"};
    (void)state;
    lab_close(&lab);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

struct child {
    pid_t pid;
    int status;
};
static bool child_ended(struct rig *rig, void *cookie)
{
    struct child *c = cookie;
    (void)rig;
    return waitpid(c->pid, &c->status, WNOHANG) == c->pid;
}

/* Runs it to its end while the rig's loop serves it; its output is in ${out}. */
static int run(struct rig *rig, const char *program, const char *input, struct text *out, ...)
{
    char *argv[32] = {0};
    char chunk[4096];
    struct child c = {.pid = -1};
    int in[2];
    posix_spawn_file_actions_t actions;
    va_list args;
    argv[0] = strdup(program);
    va_start(args, out);
    for (size_t i = 1; i < 31; i++) {
        const char *arg = va_arg(args, const char *);
        argv[i] = arg == NULL ? NULL : strdup(arg);
        if (arg == NULL)
            break;
    }
    va_end(args);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_addopen(&actions, 1, path_of("out"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    assert_int_equal(posix_spawnp(&c.pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    assert_int_equal(write(in[1], input, strlen(input)), (ssize_t)strlen(input));
    rig_await_polling(rig, child_ended, &c);
    close(in[1]);
    text_init(out, 65536);
    FILE *f = fopen(path_of("out"), "r");
    for (size_t n = 0; f != NULL && (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        text_add_bytes(out, (struct bytes){(const uint8_t *)chunk, n});
    if (f != NULL)
        fclose(f);
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    return WIFEXITED(c.status) ? WEXITSTATUS(c.status) : -1;
}

static void answer(struct peer *p)
{
    if (memmem(p->in.at, p->in.len, "\r\n\r\n", 4) == NULL)
        return;
    peer_forget(p);
    say(p, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
}

static struct rig *open_rig(const struct tls_config *serves)
{
    struct rig_options options = {.protocol = PROXY_HTTP, .serves = lab_context(serves)};
    struct rig *rig = rig_open_with(&options);
    tls_context_release(options.serves);
    rig->on_server = answer;
    return rig;
}

/* It verifies the chain and the name, as it does by default. */
static int curl(struct rig *rig, struct text *out, const char *version, const char *cert,
                const char *key)
{
    char to[96];
    snprintf(to, sizeof(to), SERVER_NAME ":443:%s", rig->proxy_address);
    return run(rig, "curl", "", out, "-sS", "--http1.1", "--max-time", "8", "--tls-max", version,
               "--cacert", path_of("ca"), "--cert", path_of(cert), "--key", path_of(key),
               "--connect-to", to, "https://" SERVER_NAME "/a", NULL);
}

static void curl_is_answered_with_its_certificate(void **state)
{
    static const char *const versions[] = {"1.2", "1.3"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_config serves = lab_serves(&lab, true);
        struct rig *rig = open_rig(&serves);
        struct text out;
        int code = curl(rig, &out, versions[i], "cert", "key");
        assert_string_equal(text_get(&out), "hello");
        assert_int_equal(code, 0);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_DONE);
        assert_int_equal(h->verify_result, X509_V_OK);
        assert_int_equal(h->version, i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        text_release(&out);
        rig_close(rig);
    }
}

static void curl_hears_that_its_certificate_has_expired(void **state)
{
    struct tls_config serves = lab_serves(&lab, true);
    struct rig *rig = open_rig(&serves);
    struct text out;
    (void)state;
    assert_int_not_equal(curl(rig, &out, "1.3", "old", "oldkey"), 0);
    assert_non_null(strstr(text_get(&out), "certificate expired"));
    assert_int_equal(await_handshake(rig, 1)->result, HANDSHAKE_REFUSED_BY_US);
    assert_int_equal(rig->attempt_count, 0);
    text_release(&out);
    rig_close(rig);
}

static void s_client_verifies_our_chain_and_reads_our_goodbye(void **state)
{
    struct tls_config serves = lab_serves(&lab, false);
    struct rig *rig = open_rig(&serves);
    struct text out;
    (void)state;
    assert_int_equal(run(rig, "openssl",
                         "GET /a HTTP/1.1\r\nHost: pay\r\nConnection: close\r\n\r\n", &out,
                         "s_client", "-connect", rig->proxy_address, "-CAfile", path_of("ca"),
                         "-verify_return_error", "-servername", "payments.shop", "-alpn",
                         "http/1.1", "-ign_eof", NULL),
                     0);
    assert_non_null(strstr(text_get(&out), "Verify return code: 0 (ok)"));
    assert_non_null(strstr(text_get(&out), "ALPN protocol: http/1.1"));
    assert_non_null(strstr(text_get(&out), "hello"));
    assert_null(strstr(text_get(&out), "error"));
    text_release(&out);
    rig_close(rig);
}

static void s_client_refuses_a_leaf_of_another_root(void **state)
{
    struct tls_config serves = lab_serves(&lab, false);
    serves.own = lab_leaf(&lab.server, CERT_UNKNOWN_ROOT);
    struct rig *rig = open_rig(&serves);
    struct text out;
    (void)state;
    assert_int_not_equal(run(rig, "openssl", "", &out, "s_client", "-connect", rig->proxy_address,
                             "-CAfile", path_of("ca"), "-verify_return_error", NULL),
                         0);
    assert_non_null(strstr(text_get(&out), "unable to get local issuer certificate"));
    assert_int_equal(await_handshake(rig, 1)->alert_in, 48 + 1);
    text_release(&out);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curl_is_answered_with_its_certificate),
        cmocka_unit_test(curl_hears_that_its_certificate_has_expired),
        cmocka_unit_test(s_client_verifies_our_chain_and_reads_our_goodbye),
        cmocka_unit_test(s_client_refuses_a_leaf_of_another_root),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
