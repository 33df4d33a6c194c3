#include "kube/credentials_inside.h"

#include "base/clock.h"
#include "certs/mint.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A token that ends so soon is not begun with. */
#define EXEC_EARLY_S 10

char *credentials_file(const char *path, size_t most, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_system(err, errno, "%.150s", path);
        return NULL;
    }
    char *text = check_alloc(most + 1);
    size_t len = 0;
    ssize_t n;
    do {
        n = read(fd, text + len, most + 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && len <= most) || (n < 0 && errno == EINTR));
    int sys = errno;
    close(fd);
    if (n == 0 && len <= most) {
        text[len] = '\0';
        return text;
    }
    OPENSSL_cleanse(text, len);
    free(text);
    if (n < 0)
        error_system(err, sys, "%.150s", path);
    else
        error_set(err, ERROR_LIMIT, "%.150s has more than %zu bytes", path, most);
    return NULL;
}

bool credentials_set_server(struct credentials *c, const char *url, struct error *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *other = NULL;
    bool ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK;
    static const CURLUPart none[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                     CURLUPART_FRAGMENT};
    for (size_t i = 0; ok && i < COUNT_OF(none); i++)
        ok = curl_url_get(u, none[i], &other, 0) != CURLUE_OK;
    if (ok && strcmp(scheme, "https") == 0) {
        size_t end = strlen(path);
        while (end > 0 && path[end - 1] == '/')
            end--;
        c->view.host_port = arena_printf(&c->arena, "%s:%s", host, port);
        c->view.server = arena_printf(&c->arena, "https://%s:%s%.*s", host, port, (int)end, path);
    } else if (ok) {
        ok = error_set(err, ERROR_INPUT, "the server %.120s is not https", url);
    } else {
        error_set(err, ERROR_INPUT, "the server is no plain https URL");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(other);
    curl_url_cleanup(u);
    return ok;
}

bool credentials_set_token(struct credentials *c, const char *text, const char *whence,
                           struct error *err)
{
    size_t from = strspn(text, " \t\r\n"), len = strlen(text + from);
    while (len > 0 && strchr(" \t\r\n", text[from + len - 1]) != NULL)
        len--;
    if (len == 0)
        return error_set(err, ERROR_SYSTEM, "%.150s is empty", whence);
    if (len > CREDENTIALS_TOKEN_MOST_BYTES)
        return error_set(err, ERROR_LIMIT, "%.150s has more than %zu bytes", whence,
                         CREDENTIALS_TOKEN_MOST_BYTES);
    for (size_t i = 0; i < len; i++)
        if (text[from + i] <= ' ' || text[from + i] == 0x7f)
            return error_set(err, ERROR_INPUT, "%.150s is no token: it has other characters",
                             whence);
    char *token = check_alloc(len + 1);
    memcpy(token, text + from, len);
    token[len] = '\0';
    mint_wipe(c->token);
    c->token = token;
    return true;
}

static bool open_in_cluster(struct credentials *c, const char *folder, struct error *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    bool six = strchr(host, ':') != NULL && *host != '[';
    arena_init(&c->arena, (size_t)8 << 20);
    if (port == NULL || *port == '\0')
        return error_set(err, ERROR_SYSTEM,
                         "KUBERNETES_SERVICE_HOST is set, KUBERNETES_SERVICE_PORT is not");
    const char *url =
        arena_printf(&c->arena, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
    if (!credentials_set_server(c, url, err))
        return false;
    c->view.in_cluster = true;
    c->view.account = "meshproof-conductor";
    c->view.ca_name = arena_printf(&c->arena, "%s/ca.crt", folder);
    c->token_file = arena_printf(&c->arena, "%s/token", folder);
    char *ca = credentials_file(c->view.ca_name, CREDENTIALS_FILE_MOST_BYTES, err);
    if (ca == NULL)
        return false;
    c->view.ca_pem = arena_strdup(&c->arena, ca);
    free(ca);
    const char *path = arena_printf(&c->arena, "%s/namespace", folder);
    char *namespace = credentials_file(path, 4096, err);
    if (namespace == NULL)
        return false;
    namespace[strcspn(namespace, "\r\n \t")] = '\0';
    c->view.namespace = arena_strdup(&c->arena, *namespace != '\0' ? namespace : "default");
    free(namespace);
    return true;
}

static bool open_kubeconfig(struct credentials *c, const struct credentials_options *options,
                            struct error *err)
{
    const char *named = options->kubeconfig != NULL ? options->kubeconfig : getenv("KUBECONFIG");
    const char *home = getenv("HOME");
    static char path[4096]; /* marks of errors point at it */
    char folder[4096];
    if (named != NULL && *named != '\0') {
        if (options->kubeconfig == NULL && strchr(named, ':') != NULL)
            return error_set(err, ERROR_USAGE,
                             "KUBECONFIG names several files; meshproof reads one: name it");
        snprintf(path, sizeof(path), "%s", named);
    } else {
        snprintf(path, sizeof(path), "%s/.kube/config", home != NULL ? home : "");
    }
    char *text = credentials_file(path, CREDENTIALS_FILE_MOST_BYTES, err);
    if (text == NULL) {
        error_prefix(err, "no kubeconfig: ");
        return false;
    }
    char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
             slash != NULL ? path : ".");
    bool ok = kubeconfig_read(c, bytes_of(text), path, *folder != '\0' ? folder : "/", options,
                              true, err);
    mint_wipe(text);
    return ok;
}

bool credentials_open(const struct credentials_options *options, struct credentials **ret,
                      struct error *err)
{
    struct credentials *c = check_alloc_zero(1, sizeof(*c));
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *named = getenv("KUBECONFIG");
    bool inside = host != NULL && *host != '\0' && options->kubeconfig == NULL &&
                  (named == NULL || *named == '\0');
    const char *folder = options->folder != NULL ? options->folder : CREDENTIALS_FOLDER;
    if (!(inside ? open_in_cluster(c, folder, err) : open_kubeconfig(c, options, err))) {
        credentials_free(c);
        return false;
    }
    *ret = c;
    return true;
}

bool credentials_parse(struct bytes kubeconfig, const char *file, const char *folder,
                       const struct credentials_options *options, struct credentials **ret,
                       struct error *err)
{
    struct credentials *c = check_alloc_zero(1, sizeof(*c));
    if (!kubeconfig_read(c, kubeconfig, file, folder, options, false, err)) {
        credentials_free(c);
        return false;
    }
    *ret = c;
    return true;
}

void credentials_free(struct credentials *c)
{
    if (c == NULL)
        return;
    mint_wipe(c->token);
    mint_wipe(c->cert_pem);
    mint_wipe(c->key_pem);
    arena_release(&c->arena);
    free(c);
}

void credentials_view(const struct credentials *c, struct credentials_view *ret)
{
    *ret = c->view;
}

static bool refresh_exec(struct credentials *c, bool again, struct error *err)
{
    struct exec_answer answer;
    struct buffer out;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    if (c->exec_ran && !again && (c->exec_until_s == 0 || now_s + EXEC_EARLY_S < c->exec_until_s))
        return true;
    buffer_init(&out, CREDENTIALS_FILE_MOST_BYTES);
    bool ok = exec_plugin_run(&c->exec, c->exec_info, CREDENTIALS_EXEC_MOST_NS, &out, err) &&
              exec_plugin_read(buffer_view(&out), c->exec.api_version, &answer, err);
    OPENSSL_cleanse(out.at, out.len);
    buffer_release(&out);
    if (!ok)
        return false;
    if (answer.token != NULL)
        ok = credentials_set_token(c, answer.token, "the credential plug-in's token", err);
    mint_wipe(answer.token);
    if (answer.cert_pem != NULL) {
        mint_wipe(c->cert_pem);
        mint_wipe(c->key_pem);
        c->view.cert_pem = c->cert_pem = answer.cert_pem;
        c->view.key_pem = c->key_pem = answer.key_pem;
    }
    c->exec_ran = ok;
    c->exec_until_s = answer.until_s;
    return ok;
}

bool credentials_refresh(struct credentials *c, bool again, struct error *err)
{
    if (c->token_file != NULL) {
        char *text = credentials_file(c->token_file, CREDENTIALS_TOKEN_MOST_BYTES, err);
        bool ok = text != NULL && credentials_set_token(c, text, c->token_file, err);
        mint_wipe(text);
        return ok;
    }
    return !c->has_exec || refresh_exec(c, again, err);
}

const char *credentials_token(const struct credentials *c)
{
    return c->token != NULL ? c->token : "";
}
