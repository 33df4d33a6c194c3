#include "kube/api_inside.h"

#include "base/clock.h"

#include <stdlib.h>

static size_t on_body(char *at, size_t size, size_t count, void *cookie)
{
    struct api_call *c = cookie;
    struct error err = {0};
    return buffer_add(&c->received, at, size * count, &err) ? size * count : 0;
}

static size_t on_header(char *at, size_t size, size_t count, void *cookie)
{
    struct api_call *c = cookie;
    struct bytes line = {(const uint8_t *)at, size * count}, name;
    size_t colon = bytes_find(line, ':');
    if (colon == SIZE_MAX)
        return line.len;
    name = (struct bytes){line.at, colon};
    if (bytes_equal_nocase(name, BYTES("retry-after"))) {
        struct bytes value = {line.at + colon + 1, line.len - colon - 1};
        while (value.len > 0 && strchr("\r\n", value.at[value.len - 1]) != NULL)
            value.len--;
        c->after_ns = answer_retry_after_ns(value);
    }
    return line.len;
}

/* Counts what leaves; the bytes (there is the token) are not looked at. */
static int on_debug(CURL *easy, curl_infotype what, char *at, size_t size, void *cookie)
{
    struct api_call *c = cookie;
    (void)easy;
    (void)at;
    (void)size;
    if (what == CURLINFO_HEADER_OUT)
        c->sends++;
    return 0;
}

static void add_header(struct api_call *c, const char *line)
{
    c->headers = curl_slist_append(c->headers, line);
    INVARIANT(c->headers != NULL);
}

static void set_headers(struct api_call *c, const struct credentials_view *view)
{
    const char *token = credentials_token(c->api->credentials);
    char type[80], host[400];
    add_header(c, "Accept: application/json");
    add_header(c, "Expect:");
    if (c->body != NULL && !c->looking) {
        const char *what = c->request.verb == API_PATCH_MERGE       ? "merge-patch+json"
                           : c->request.verb == API_PATCH_STRATEGIC ? "strategic-merge-patch+json"
                                                                    : "json";
        snprintf(type, sizeof(type), "Content-Type: application/%s", what);
        add_header(c, type);
    }
    if (view->server_name != NULL) {
        snprintf(host, sizeof(host), "Host: %s", view->host_port);
        add_header(c, host);
    }
    if (*token != '\0') {
        size_t length = strlen(token) + 32;
        char *line = check_alloc(length);
        snprintf(line, length, "Authorization: Bearer %s", token);
        add_header(c, line);
        explicit_bzero(line, length);
        free(line);
    }
}

static void set_tls(CURL *easy, const struct credentials_view *view)
{
    struct curl_blob blob = {.flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, view->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, view->insecure ? 0L : 2L);
    if (view->ca_pem != NULL) {
        blob.data = (void *)(uintptr_t)view->ca_pem;
        blob.len = strlen(view->ca_pem);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
        /* No other authority than the one that is named. */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (view->cert_pem != NULL && view->key_pem != NULL) {
        blob.data = (void *)(uintptr_t)view->cert_pem;
        blob.len = strlen(view->cert_pem);
        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
        blob.data = (void *)(uintptr_t)view->key_pem;
        blob.len = strlen(view->key_pem);
        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
    }
}

/* "https://NAME:PORT/path?query"; the connection goes to the server, whatever NAME is. */
static void set_url(struct api_call *c, CURL *easy, const struct credentials_view *view)
{
    struct text url;
    const char *query = c->looking ? "" : c->query;
    text_init(&url, 64 * 1024);
    if (view->server_name != NULL) {
        const char *port = strrchr(view->host_port, ':');
        char to[700];
        snprintf(to, sizeof(to), "%s%s:%s", view->server_name, port, view->host_port);
        c->connect_to = curl_slist_append(NULL, to);
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, c->connect_to);
        text_add(&url, "https://%s%s", view->server_name,
                 view->server + strlen("https://") + strlen(view->host_port) - strlen(port));
    } else {
        text_add(&url, "%s", view->server);
    }
    text_add(&url, "%s", c->path);
    if (c->looking)
        text_add(&url, "/%s", c->request.name);
    text_add(&url, "%s%s", *query != '\0' ? "?" : "", query);
    if (c->continues != NULL) {
        char *coded = curl_easy_escape(easy, c->continues, 0);
        text_add(&url, "&continue=%s", coded);
        curl_free(coded);
    }
    curl_easy_setopt(easy, CURLOPT_URL, text_get(&url));
    text_release(&url);
}

static void set_options(struct api_call *c, CURL *easy, const struct credentials_view *view)
{
    const char *method = c->looking ? "GET" : answer_method(c->request.verb);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)API_CONNECT_MOST_S);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)API_CALL_MOST_S);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "meshproof/" MESHPROOF_VERSION);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, c);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)API_BODY_MOST_BYTES);
    if (c->body != NULL && !c->looking) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(c->body));
    }
    /* The service network has no proxy; outside, the environment's stands, as for kubectl. */
    if (view->in_cluster)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
}

bool transfer_begin(struct api_call *c, size_t transfer, struct error *err)
{
    struct api *a = c->api;
    struct credentials_view view;
    CURL *easy = a->easy[transfer];
    if (!credentials_refresh(a->credentials, c->refreshed, err))
        return false;
    credentials_view(a->credentials, &view);
    curl_easy_reset(easy);
    buffer_release(&c->received);
    buffer_init(&c->received, API_BODY_MOST_BYTES);
    c->curl_error[0] = '\0';
    c->after_ns = 0;
    c->sends = 0;
    set_headers(c, &view);
    set_options(c, easy, &view);
    set_tls(easy, &view);
    set_url(c, easy, &view);
    c->start_ns = clock_now_ns();
    if (c->first_ns == 0)
        c->first_ns = c->start_ns;
    c->tries++;
    c->easy = easy;
    c->transfer = transfer;
    a->active[transfer] = c;
    CURLMcode code = curl_multi_add_handle(a->pump.multi, easy);
    if (code == CURLM_OK)
        return true;
    transfer_end(c);
    return error_set(err, ERROR_SYSTEM, "libcurl: %s", curl_multi_strerror(code));
}

void transfer_end(struct api_call *c)
{
    if (c->easy == NULL)
        return;
    curl_multi_remove_handle(c->api->pump.multi, c->easy);
    c->api->active[c->transfer] = NULL;
    for (struct curl_slist *line = c->headers; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(c->headers);
    curl_slist_free_all(c->connect_to);
    c->headers = c->connect_to = NULL;
    c->easy = NULL;
}

void transfer_failure(const struct api_call *c, CURLcode code, bool *ret_final, bool *ret_sent,
                      struct text *to)
{
    struct credentials_view view;
    long verified = 0;
    const char *what = *c->curl_error != '\0' ? c->curl_error : curl_easy_strerror(code);
    credentials_view(c->api->credentials, &view);
    *ret_sent = c->sends > 0;
    *ret_final = true;
    if (code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED) {
        text_add(to, "the API server's answer has more than 64 MiB");
        return;
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        curl_easy_getinfo(c->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
        if (verified != 0)
            text_add(to, "the API server's certificate is not signed by %s", view.ca_name);
        else
            text_add(to, "the API server's certificate is not for %s",
                     view.server_name != NULL ? view.server_name : view.host_port);
        return;
    }
    if (code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM) {
        text_add(to, "%s cannot be used: %.200s",
                 code == CURLE_SSL_CERTPROBLEM ? "the client certificate" : view.ca_name, what);
        return;
    }
    *ret_final = false;
    text_add(to, "cannot reach the API server at %s: %.200s", view.host_port, what);
    if (view.in_cluster && !*ret_sent)
        text_add(to, ". Is egress to it allowed (NetworkPolicy meshproof-conductor)?");
}
