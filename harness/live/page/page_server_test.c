#include "live/page/page_server.h"

#include "live/page/page_text.h"
#include "net/raw_peer_test.h"

#include <openssl/evp.h>

struct fixture {
    struct loop *loop;
    struct page_gate gate;
    struct page_server *server;
    struct raw_peer peer;
    unsigned snapshots, asked;
    char verb[16], who[80], answer[300];
    bool refuses;
};

static bool snapshot(void *cookie, struct text *to)
{
    struct fixture *f = cookie;
    text_add(to, "{\"n\":%u}", ++f->snapshots);
    return true;
}

static json_t *ask(void *cookie, const json_t *ask)
{
    struct fixture *f = cookie;
    f->asked++;
    snprintf(f->verb, sizeof(f->verb), "%s", json_string_value(json_object_get(ask, "verb")));
    snprintf(f->who, sizeof(f->who), "%s", json_string_value(json_object_get(ask, "who")));
    char *text = json_dumps(ask, JSON_SORT_KEYS | JSON_COMPACT);
    snprintf(f->answer, sizeof(f->answer), "%s", text);
    free(text);
    return f->refuses ? json_pack("{sb ss}", "ok", 0, "error", "the run is ending already")
                      : json_pack("{sb}", "ok", 1);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    assert_true(loop_new(&f->loop, &err));
    assert_true(page_gate_init(&f->gate, "127.0.0.1:0", NULL, &err));
    struct page_server_config config = {
        .listen = "127.0.0.1:0", .gate = &f->gate, .snapshot = snapshot, .ask = ask, .cookie = f};
    assert_true(page_server_open(f->loop, &config, &f->server, &err));
    raw_peer_open(&f->peer, f->loop, page_server_address(f->server));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    raw_peer_close(&f->peer, false);
    page_server_free(f->server);
    loop_settle(f->loop);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void again(struct fixture *f)
{
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, page_server_address(f->server));
}

/* The whole answer, its connection closed after it. ${more}: fields, each with its line end. */
static const char *get(struct fixture *f, const char *line, const char *more, const char *body)
{
    struct text t;
    again(f);
    text_init(&t, 1 << 20);
    text_add(&t, "%s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n%s", line,
             page_server_address(f->server), more);
    if (body != NULL)
        text_add(&t, "content-type: application/x-www-form-urlencoded\r\ncontent-length: %zu\r\n",
                 strlen(body));
    text_add(&t, "\r\n%s", body == NULL ? "" : body);
    raw_peer_send(&f->peer, text_get(&t));
    text_release(&t);
    return raw_peer_wait(&f->peer, NULL);
}

static const char *cookie_of(const struct fixture *f)
{
    static char line[120];
    snprintf(line, sizeof(line), "cookie: %s=%s\r\n", f->gate.cookie, f->gate.session);
    return line;
}

static const char *form_of(const struct fixture *f, const char *more)
{
    static char form[400];
    snprintf(form, sizeof(form), "forgery=%s%s", f->gate.forgery, more);
    return form;
}

#define STATUS(got, status) assert_memory_equal(got, "HTTP/1.1 " status " ", 13)

static void the_printed_address_lets_in_and_nothing_else_does(void **state)
{
    struct fixture *f = *state;
    char line[300], cookie[120];
    struct text url;
    text_init(&url, 300);
    page_server_print(f->server, NULL, &url);
    assert_memory_equal(text_get(&url), "http://127.0.0.1:", 17);
    snprintf(line, sizeof(line), "GET %s", strstr(text_get(&url), "/?"));
    text_release(&url);
    const char *got = get(f, line, "", NULL);
    STATUS(got, "200");
    snprintf(cookie, sizeof(cookie), "set-cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict\r\n",
             f->gate.cookie, f->gate.session);
    assert_non_null(strstr(got, cookie));
    assert_null(strstr(strstr(got, "\r\n\r\n"), f->gate.session));
    got = get(f, "GET /", cookie_of(f), NULL);
    STATUS(got, "200");
    assert_non_null(strstr(got, "<h1"));
    assert_null(strstr(got, f->gate.token));
    assert_null(strstr(got, f->gate.session));
    STATUS(get(f, "GET /", "", NULL), "401");
    STATUS(get(f, "GET /?token=0123456789abcdef0123456789abcdef", "", NULL), "401");
    STATUS(get(f, "GET /events", "", NULL), "401");
    STATUS(get(f, "POST /abort", "", form_of(f, "")), "401");
    assert_int_equal(f->asked, 0);
}

static void digest(const char *text, size_t len, char *to)
{
    uint8_t sum[32];
    assert_int_equal(EVP_Digest(text, len, sum, NULL, EVP_sha256(), NULL), 1);
    EVP_EncodeBlock((unsigned char *)to, sum, sizeof(sum));
}

/* The build's hashes are those of the very bytes that a browser will hash. */
static void the_policy_of_content_has_the_hashes_of_the_page(void **state)
{
    struct fixture *f = *state;
    static const char *const tags[] = {"style", "script"};
    const char *got = get(f, "GET /", cookie_of(f), NULL);
    assert_non_null(strstr(got, "content-security-policy: default-src 'none'; style-src 'sha256-"));
    assert_non_null(strstr(got, "'; connect-src 'self'; form-action 'self'; frame-ancestors "
                                "'none'; base-uri 'none'\r\n"));
    assert_null(strstr(got, "unsafe"));
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        char open[20], close[20], sum[64], wanted[100];
        snprintf(open, sizeof(open), "<%s>", tags[i]);
        snprintf(close, sizeof(close), "</%s>", tags[i]);
        const char *from = strstr(got, open) + strlen(open);
        digest(from, (size_t)(strstr(from, close) - from), sum);
        snprintf(wanted, sizeof(wanted), "%s-src 'sha256-%s'", tags[i], sum);
        assert_non_null(strstr(got, wanted));
    }
    assert_null(strstr(got, " style="));
    assert_null(strstr(got, "innerHTML"));
    assert_null(strstr(got, "@style@"));
    assert_null(strstr(got, "@script@"));
    assert_null(strstr(got, "@forgery@"));
    assert_true(strlen(got) < 64 * 1024);
}

static void what_is_posted_by_our_page_is_asked_of_the_run(void **state)
{
    struct fixture *f = *state;
    const char *got = get(f, "POST /abort", cookie_of(f), form_of(f, ""));
    STATUS(got, "303");
    assert_non_null(strstr(got, "location: /\r\n"));
    assert_string_equal(f->verb, "abort");
    assert_memory_equal(f->who, "page 127.0.0.1:", 15);
    STATUS(get(f, "POST /pause", cookie_of(f), form_of(f, "")), "303");
    assert_string_equal(f->verb, "pause");
    STATUS(get(f, "POST /resume", cookie_of(f), form_of(f, "")), "303");
    assert_string_equal(f->verb, "resume");
    char answer[100];
    snprintf(answer, sizeof(answer), "&number=3&as=al%%22ice&answer=it+fired");
    STATUS(get(f, "POST /answer", cookie_of(f), form_of(f, answer)), "303");
    assert_string_equal(f->answer, "{\"answer\":\"it fired\",\"channel\":\"page\",\"number\":3,"
                                   "\"verb\":\"answer\",\"who\":\"al\\\"ice\"}");
    snprintf(answer, sizeof(answer), "&number=x&as=bob&answer=&choice=yes");
    STATUS(get(f, "POST /answer", cookie_of(f), form_of(f, answer)), "303");
    assert_string_equal(f->answer, "{\"answer\":\"yes\",\"channel\":\"page\","
                                   "\"verb\":\"answer\",\"who\":\"bob\"}");
    assert_int_equal(f->asked, 5);
    f->refuses = true;
    got = get(f, "POST /abort", cookie_of(f), form_of(f, ""));
    STATUS(got, "409");
    assert_non_null(strstr(got, "\r\n\r\nthe run is ending already\n"));
    char accept[200];
    snprintf(accept, sizeof(accept), "%saccept: application/json\r\n", cookie_of(f));
    got = get(f, "POST /abort", accept, form_of(f, ""));
    STATUS(got, "409");
    assert_non_null(strstr(got, "{\"ok\":false,\"error\":\"the run is ending already\"}"));
}

static void what_another_page_posts_is_refused(void **state)
{
    struct fixture *f = *state;
    char head[400];
    STATUS(get(f, "POST /abort", cookie_of(f), ""), "403");
    STATUS(get(f, "POST /abort", cookie_of(f), "forgery=0123456789abcdef0123456789abcdef"), "403");
    snprintf(head, sizeof(head), "%sorigin: http://evil.example\r\n", cookie_of(f));
    STATUS(get(f, "POST /abort", head, form_of(f, "")), "403");
    again(f);
    raw_peer_send(&f->peer, "POST /abort HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n");
    raw_peer_send(&f->peer, cookie_of(f));
    raw_peer_send(&f->peer, "content-length: 0\r\n\r\n");
    STATUS(raw_peer_wait(&f->peer, NULL), "403");
    snprintf(head, sizeof(head), "%scontent-type: text/plain\r\ncontent-length: 3\r\n",
             cookie_of(f));
    again(f);
    raw_peer_send(&f->peer, "POST /abort HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    raw_peer_send(&f->peer, head);
    raw_peer_send(&f->peer, "\r\na=b");
    STATUS(raw_peer_wait(&f->peer, NULL), "415");
    assert_int_equal(f->asked, 0);
    /* A program has the token itself, which no browser can be made to send. */
    snprintf(head, sizeof(head), "authorization: Bearer %s\r\n", f->gate.token);
    STATUS(get(f, "POST /abort", head, ""), "303");
    assert_int_equal(f->asked, 1);
}

static void only_what_there_is_and_only_by_its_method(void **state)
{
    struct fixture *f = *state;
    STATUS(get(f, "GET /favicon.ico", cookie_of(f), NULL), "404");
    STATUS(get(f, "GET /../etc/passwd", cookie_of(f), NULL), "404");
    STATUS(get(f, "GET /abort/", cookie_of(f), NULL), "404");
    STATUS(get(f, "GET http://localhost/", cookie_of(f), NULL), "404");
    const char *got = get(f, "GET /abort", cookie_of(f), NULL);
    STATUS(got, "405");
    assert_non_null(strstr(got, "allow: POST\r\n"));
    STATUS(get(f, "POST /", cookie_of(f), form_of(f, "")), "405");
    STATUS(get(f, "POST /events", cookie_of(f), form_of(f, "")), "405");
    STATUS(get(f, "DELETE /abort", cookie_of(f), NULL), "405");
    got = get(f, "HEAD /", cookie_of(f), NULL);
    STATUS(got, "200");
    assert_null(strstr(got, "<html"));
    char *huge = malloc(6000);
    memset(huge, 'a', 5999);
    huge[5999] = '\0';
    STATUS(get(f, "POST /abort", cookie_of(f), huge), "413");
    free(huge);
    assert_int_equal(f->asked, 0);
}

static void begin_events(struct raw_peer *p, const struct fixture *f)
{
    raw_peer_send(p, "GET /events HTTP/1.1\r\nhost: localhost\r\n");
    raw_peer_send(p, cookie_of(f));
    raw_peer_send(p, "\r\n");
}

static void snapshots_come_once_a_second_and_a_last_one_at_the_end(void **state)
{
    struct fixture *f = *state;
    begin_events(&f->peer, f);
    const char *got = raw_peer_wait(&f->peer, "event: snapshot\ndata: {\"n\":1}\n\n");
    STATUS(got, "200");
    assert_non_null(strstr(got, "content-type: text/event-stream\r\n"));
    assert_null(strstr(got, "set-cookie"));
    uint64_t from_ns = clock_now_ns();
    raw_peer_wait(&f->peer, "event: snapshot\ndata: {\"n\":2}\n\n");
    uint64_t took_ns = clock_now_ns() - from_ns;
    assert_in_range(took_ns, NS_PER_S / 2, 8 * NS_PER_S);
    page_server_end(f->server);
    got = raw_peer_wait(&f->peer, "event: snapshot\ndata: {\"n\":3}\n\n");
    assert_null(strstr(got, "event: more"));
    raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.eof);
}

/* One renders for all; more than may watch are told so; who leaves makes room. */
static void watchers_are_limited_and_forgotten_when_they_leave(void **state)
{
    struct fixture *f = *state;
    struct raw_peer *many = calloc(PAGE_WATCHERS_MOST, sizeof(*many));
    for (int i = 0; i < PAGE_WATCHERS_MOST; i++) {
        raw_peer_open(&many[i], f->loop, page_server_address(f->server));
        begin_events(&many[i], f);
        raw_peer_wait(&many[i], "}\n\n");
    }
    assert_true(f->snapshots < PAGE_WATCHERS_MOST);
    STATUS(get(f, "GET /events", cookie_of(f), NULL), "503");
    for (int i = 0; i < PAGE_WATCHERS_MOST; i++)
        raw_peer_close(&many[i], i % 2 == 0);
    again(f);
    do { /* until the loop has seen them leave */
        raw_run_for(f->loop, NS_PER_MS);
        again(f);
        begin_events(&f->peer, f);
        raw_peer_wait(&f->peer, "\n");
    } while (memcmp(f->peer.got, "HTTP/1.1 503 ", 13) == 0);
    STATUS(f->peer.got, "200");
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(the_printed_address_lets_in_and_nothing_else_does),
        TEST(the_policy_of_content_has_the_hashes_of_the_page),
        TEST(what_is_posted_by_our_page_is_asked_of_the_run),
        TEST(what_another_page_posts_is_refused),
        TEST(only_what_there_is_and_only_by_its_method),
        TEST(snapshots_come_once_a_second_and_a_last_one_at_the_end),
        TEST(watchers_are_limited_and_forgotten_when_they_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
