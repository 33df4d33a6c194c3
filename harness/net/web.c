#include "net/web.h"

#include "base/clock.h"
#include "net/web_pump.h"

#include <openssl/x509_vfy.h>
#include <stdlib.h>

#define TOKEN_MOST 8192

/* One question and its answer, in either form. */
struct exchange {
    CURL *easy;
    struct curl_slist *fields, *connect_to;
    struct text body;
    size_t body_most;
    bool head_only, head_done, too_long;
};

struct web {
    struct web_pump pump;
    struct exchange *now; /* NULL: none is under way */
    void (*on_end)(void *cookie, const struct web_answer *answer);
    void *cookie;
};

/* ---- what is asked ---- */

static size_t on_body(char *at, size_t size, size_t count, void *cookie)
{
    struct exchange *x = cookie;
    if (x->head_only)
        return 0; /* ends the transfer: the status is all that was wanted */
    x->too_long = size * count > x->body_most - x->body.len;
    if (x->too_long)
        return 0;
    text_add_bytes(&x->body, (struct bytes){(const uint8_t *)at, size * count});
    return size * count;
}

/* An empty line ends a head; that of a 1xx is followed by another. */
static size_t on_field(char *at, size_t size, size_t count, void *cookie)
{
    struct exchange *x = cookie;
    size_t len = size * count;
    long status = 0;
    if (len != 2 || at[0] != '\r')
        return len;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    x->head_done = status >= 200;
    return x->head_only && x->head_done ? 0 : len;
}

static void add_field(struct exchange *x, const char *line)
{
    x->fields = curl_slist_append(x->fields, line);
    INVARIANT(x->fields != NULL);
}

static void set_fields(struct exchange *x, const struct web_ask *ask)
{
    if (ask->body != NULL)
        add_field(x, "Content-Type: application/json");
    add_field(x, "Expect:"); /* no waiting for a 100 */
    if (ask->token != NULL) {
        char line[TOKEN_MOST + 32];
        snprintf(line, sizeof(line), "Authorization: Bearer %.*s", TOKEN_MOST, ask->token);
        add_field(x, line);
        explicit_bzero(line, sizeof(line));
    }
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->fields);
}

static void set_tls(struct exchange *x, const struct web_ask *ask)
{
    curl_easy_setopt(x->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    const char *own = getenv("SSL_CERT_FILE"); /* as OpenSSL has it */
    if (ask->ca != NULL || own != NULL)
        curl_easy_setopt(x->easy, CURLOPT_CAINFO, ask->ca != NULL ? ask->ca : own);
    if (ask->ca != NULL)
        curl_easy_setopt(x->easy, CURLOPT_CAPATH, NULL); /* no other authority */
}

static void set_limits(struct exchange *x, const struct web_ask *ask)
{
    long ms = (long)((ask->within_ns + NS_PER_MS - 1) / NS_PER_MS);
    curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
    curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L);
}

static void set_up(struct exchange *x, const struct web_ask *ask)
{
    *x = (struct exchange){.easy = curl_easy_init(),
                           .head_only = ask->body_most_bytes == 0,
                           .body_most = ask->body_most_bytes};
    INVARIANT(x->easy != NULL);
    text_init(&x->body, ask->body_most_bytes + 1);
    curl_easy_setopt(x->easy, CURLOPT_URL, ask->url);
    curl_easy_setopt(x->easy, CURLOPT_USERAGENT, "meshproof/" MESHPROOF_VERSION);
    curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_field);
    curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
    set_limits(x, ask);
    set_tls(x, ask);
    set_fields(x, ask);
    if (ask->body != NULL)
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, ask->body);
    if (ask->address != NULL) {
        char to[200];
        snprintf(to, sizeof(to), "::%.180s", ask->address);
        x->connect_to = curl_slist_append(NULL, to);
        INVARIANT(x->connect_to != NULL);
        curl_easy_setopt(x->easy, CURLOPT_CONNECT_TO, x->connect_to);
    }
}

static void tear_down(struct exchange *x)
{
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->fields);
    curl_slist_free_all(x->connect_to);
    text_release(&x->body);
}

/* ---- what came of it ---- */

/* libcurl's own text may hold the host's name. */
static void say_why(struct exchange *x, CURLcode code, struct web_answer *ret)
{
    long verify = X509_V_OK, sys = 0;
    const char *why = curl_easy_strerror(code);
    curl_easy_getinfo(x->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &sys);
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        ret->refused = true;
        snprintf(ret->why, sizeof(ret->why), "its certificate: %s",
                 /* libcurl looks at the name itself, before it keeps OpenSSL's result */
                 verify == X509_V_OK || verify == X509_V_ERR_UNSPECIFIED
                     ? "it is not for that name"
                     : X509_verify_cert_error_string(verify));
    } else if (code == CURLE_COULDNT_CONNECT && sys != 0) {
        char text[80];
        snprintf(ret->why, sizeof(ret->why), "connecting: %s",
                 strerror_r((int)sys, text, sizeof(text)));
    } else {
        why = code == CURLE_COULDNT_RESOLVE_HOST ? "its name cannot be found"
              : code == CURLE_OPERATION_TIMEDOUT ? "no answer in its time"
              : code == CURLE_GOT_NOTHING        ? "it ended without an answer"
              : code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL
                  ? "its answer is not HTTP"
                  : why;
        snprintf(ret->why, sizeof(ret->why), "%s", why);
    }
}

static void read_answer(struct exchange *x, CURLcode code, struct web_answer *ret)
{
    long status = 0;
    *ret = (struct web_answer){0};
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK || (x->head_only && x->head_done)) {
        ret->status = (uint16_t)status;
        ret->body = bytes_of(text_get(&x->body));
        ret->body.len = x->body.len;
    } else if (x->too_long) {
        snprintf(ret->why, sizeof(ret->why), "its answer is longer than %zu bytes", x->body_most);
    } else {
        say_why(x, code, ret);
    }
}

bool web_wait(const struct web_ask *ask, struct web_answer *ret)
{
    struct exchange x;
    set_up(&x, ask);
    read_answer(&x, curl_easy_perform(x.easy), ret);
    ret->body = (struct bytes){0};
    tear_down(&x);
    return ret->status != 0;
}

/* ---- on the loop ---- */

static void end_exchange(struct web *w, struct exchange *x)
{
    curl_multi_remove_handle(w->pump.multi, x->easy);
    tear_down(x);
    free(x);
}

static void on_exchanged(void *cookie, CURL *easy, CURLcode code)
{
    struct web *w = cookie;
    struct web_answer answer;
    struct exchange *x = w->now;
    (void)easy;
    w->now = NULL; /* it may ask the next from within */
    read_answer(x, code, &answer);
    w->on_end(w->cookie, &answer);
    end_exchange(w, x);
}

bool web_new(struct loop *loop, struct web **ret, struct error *err)
{
    struct web *w = check_alloc_zero(1, sizeof(*w));
    w->pump = (struct web_pump){.on_end = on_exchanged, .cookie = w};
    if (!web_pump_open(&w->pump, loop, err)) {
        free(w);
        return false;
    }
    *ret = w;
    return true;
}

void web_free(struct web *w)
{
    if (w == NULL)
        return;
    web_cancel(w);
    web_pump_close(&w->pump);
    free(w);
}

void web_start(struct web *w, const struct web_ask *ask,
               void (*on_end)(void *cookie, const struct web_answer *answer), void *cookie)
{
    INVARIANT(w->now == NULL);
    w->now = check_alloc_zero(1, sizeof(*w->now));
    w->on_end = on_end;
    w->cookie = cookie;
    set_up(w->now, ask);
    INVARIANT(curl_multi_add_handle(w->pump.multi, w->now->easy) == CURLM_OK);
}

void web_cancel(struct web *w)
{
    if (w->now != NULL)
        end_exchange(w, w->now);
    w->now = NULL;
}
