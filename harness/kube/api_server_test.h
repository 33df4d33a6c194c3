#ifndef KUBE_API_SERVER_TEST_H
#define KUBE_API_SERVER_TEST_H

/* For tests: an API server of scripted answers, over TLS with certificates of the lab's authority.
 * It runs in threads of its own, so that both forms of the client can be tried. What it was asked
 * is kept, word for word. */

#include "certs/authority.h"
#include "certs/certs_test.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <setjmp.h>
#include <cmocka.h>

#define API_SERVER_MOST 600

enum api_server_how {
    ANSWER,    /* ${status}, ${body} */
    DROP,      /* the connection ends without an answer */
    CUT,       /* the head says more than the body has */
    ENDLESS,   /* a body past the client's limit */
    HOLD_BACK, /* no answer until api_server_go_on */
};
struct api_server_step {
    const char *want; /* "GET /version", the beginning of the request line; NULL: any */
    int status;
    const char *body, *header; /* header: "Retry-After: 1", may be NULL */
    enum api_server_how how;
};
struct api_server_seen {
    char line[1024], head[8192], *body;
};
struct api_server {
    int fd;
    char address[32], ca_path[300];
    char *ca_pem, *other_ca_pem;
    SSL_CTX *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct api_server_step *steps;
    size_t step_count, at, connections, wrong;
    bool going_on, stopping;
    struct api_server_seen seen[API_SERVER_MOST];
    int fds[64];
    size_t open;
    pthread_t threads[64];
};

struct api_server_conn {
    struct api_server *s;
    int fd;
};

static inline size_t api_server_read_head(SSL *ssl, char *to, size_t size)
{
    size_t len = 0;
    while (len + 1 < size && SSL_read(ssl, to + len, 1) == 1) {
        to[++len] = '\0';
        if (len >= 4 && strcmp(to + len - 4, "\r\n\r\n") == 0)
            return len;
    }
    return 0;
}

static inline bool api_server_say(SSL *ssl, const struct api_server_step *step)
{
    char head[600];
    const char *body = step->body != NULL ? step->body : "";
    size_t length = strlen(body) + (step->how == CUT ? 100 : 0);
    snprintf(head, sizeof(head),
             "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s%s\r\n",
             step->status, length, step->header != NULL ? step->header : "",
             step->header != NULL ? "\r\n" : "");
    if (step->how == ENDLESS) {
        static char block[1 << 16];
        memset(block, ' ', sizeof(block));
        snprintf(head, sizeof(head), "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n");
        SSL_write(ssl, head, (int)strlen(head));
        for (unsigned i = 0; i < 1100; i++)
            if (SSL_write(ssl, "10000\r\n", 7) <= 0 || SSL_write(ssl, block, sizeof(block)) <= 0 ||
                SSL_write(ssl, "\r\n", 2) <= 0)
                return false;
        return false;
    }
    return SSL_write(ssl, head, (int)strlen(head)) > 0 &&
           (*body == '\0' || SSL_write(ssl, body, (int)strlen(body)) > 0) && step->how != CUT;
}

/* One request: kept, and answered by the next step. False: the connection ends. */
static inline bool api_server_serve(struct api_server *s, SSL *ssl)
{
    struct api_server_seen seen = {0};
    if (api_server_read_head(ssl, seen.head, sizeof(seen.head)) == 0)
        return false;
    snprintf(seen.line, sizeof(seen.line), "%.*s", (int)strcspn(seen.head, "\r"), seen.head);
    const char *length = strcasestr(seen.head, "\r\nContent-Length: ");
    size_t want = length != NULL ? strtoul(length + 18, NULL, 10) : 0;
    seen.body = calloc(want + 1, 1);
    for (size_t got = 0; got < want;) {
        int n = SSL_read(ssl, seen.body + got, (int)(want - got));
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    pthread_mutex_lock(&s->lock);
    static const struct api_server_step none = {NULL, 418, "{}", NULL, ANSWER};
    const struct api_server_step *step = s->at < s->step_count ? &s->steps[s->at] : &none;
    if (step == &none ||
        (step->want != NULL && strncmp(seen.line, step->want, strlen(step->want)) != 0)) {
        fprintf(stderr, "step %zu: \"%s\" came, \"%s\" was expected\n", s->at, seen.line,
                step->want != NULL ? step->want : "nothing");
        s->wrong++;
    }
    if (s->at < API_SERVER_MOST)
        s->seen[s->at] = seen;
    s->at++;
    pthread_cond_broadcast(&s->changed);
    while (step->how == HOLD_BACK && !s->going_on && !s->stopping)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return step->how != DROP && api_server_say(ssl, step);
}

static inline void *api_server_conn_run(void *cookie)
{
    struct api_server_conn *c = cookie;
    SSL *ssl = SSL_new(c->s->ctx);
    SSL_set_fd(ssl, c->fd);
    if (SSL_accept(ssl) == 1)
        while (api_server_serve(c->s, ssl))
            ;
    SSL_free(ssl);
    shutdown(c->fd, SHUT_RDWR);
    free(c);
    return NULL;
}

static inline void *api_server_run(void *cookie)
{
    struct api_server *s = cookie;
    int fd;
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct api_server_conn *c = calloc(1, sizeof(*c));
        *c = (struct api_server_conn){s, fd};
        pthread_mutex_lock(&s->lock);
        s->connections++;
        s->fds[s->open] = fd;
        bool full = ++s->open == 64;
        pthread_create(&s->threads[s->open - 1], NULL, api_server_conn_run, c);
        pthread_mutex_unlock(&s->lock);
        if (full)
            break;
    }
    return NULL;
}

static inline void api_server_certs(struct api_server *s, void **state)
{
    struct authority *a = authority_new();
    struct identity id = {0};
    struct error err = {0};
    struct issued leaf = {0};
    struct text ca;
    const char *const names[] = {AUTHORITY_FIRST_ROOT}, *const others[] = {"other"};
    uint64_t now_s = (uint64_t)time(NULL);
    assert_true(authority_add_root(a, names[0], now_s, &err));
    assert_true(authority_add_root(a, others[0], now_s, &err));
    assert_true(identity_add(&id, "127.0.0.1", &err));
    assert_true(identity_add(&id, "kubernetes.default.svc", &err));
    struct leaf_order order = {&id, names[0], CERT_GOOD, now_s, 3600, 60, false};
    assert_true(authority_issue(a, &order, &leaf, &err));
    text_init(&ca, 1 << 20);
    assert_true(authority_bundle(a, names, 1, &ca, &err));
    s->ca_pem = text_take(&ca);
    text_init(&ca, 1 << 20);
    assert_true(authority_bundle(a, others, 1, &ca, &err));
    s->other_ca_pem = text_take(&ca);
    scratch_write(state, "ca.crt", s->ca_pem);
    scratch_write(state, "server.crt", leaf.chain_pem);
    scratch_write(state, "server.key", leaf.key_pem);
    snprintf(s->ca_path, sizeof(s->ca_path), "%s", scratch_path(state, "ca.crt"));
    s->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_chain_file(s->ctx, scratch_path(state, "server.crt")),
                     1);
    assert_int_equal(
        SSL_CTX_use_PrivateKey_file(s->ctx, scratch_path(state, "server.key"), SSL_FILETYPE_PEM),
        1);
    issued_release(&leaf);
    authority_free(a);
}

/* Listens, and answers nobody yet: for a test that forks, which it may not beside threads. */
static inline struct api_server *
api_server_listen(void **state, const struct api_server_step *steps, size_t count)
{
    struct api_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    signal(SIGPIPE, SIG_IGN);
    api_server_certs(s, state);
    s->steps = steps;
    s->step_count = count;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&in, &length), 0);
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", (unsigned)ntohs(in.sin_port));
    return s;
}

static inline void api_server_start(struct api_server *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, api_server_run, s), 0);
}

static inline struct api_server *api_server_open(void **state, const struct api_server_step *steps,
                                                 size_t count)
{
    struct api_server *s = api_server_listen(state, steps, count);
    api_server_start(s);
    return s;
}

/* A kubeconfig of it in the scratch folder; its path, until the next. */
static inline const char *api_server_kubeconfig(struct api_server *s, void **state)
{
    char config[800];
    static char path[300];
    snprintf(config, sizeof(config),
             "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
             "clusters: [{name: c, cluster: {server: 'https://%s', certificate-authority: ca.crt, "
             "tls-server-name: kubernetes.default.svc}}]\nusers: [{name: u, user: {token: t}}]\n",
             s->address);
    scratch_write(state, "config", config);
    snprintf(path, sizeof(path), "%s", scratch_path(state, "config"));
    unsetenv("HTTPS_PROXY");
    unsetenv("https_proxy");
    return path;
}

static inline void api_server_go_on(struct api_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->going_on = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits until so many requests have come. */
static inline void api_server_await(struct api_server *s, size_t count)
{
    pthread_mutex_lock(&s->lock);
    while (s->at < count)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* All steps were asked for, in their order, and nothing else. */
static inline void api_server_close(struct api_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->open; i++) {
        shutdown(s->fds[i], SHUT_RDWR);
        pthread_join(s->threads[i], NULL);
        close(s->fds[i]);
    }
    close(s->fd);
    assert_int_equal(s->wrong, 0);
    assert_int_equal(s->at, s->step_count);
    for (size_t i = 0; i < s->at && i < API_SERVER_MOST; i++)
        free(s->seen[i].body);
    SSL_CTX_free(s->ctx);
    free(s->ca_pem);
    free(s->other_ca_pem);
    free(s);
}

#endif
