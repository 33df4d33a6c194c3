#include "cli/post.h"

#include "net/web.h"

#include <string.h>

#define TOKEN_MOST 8000

static bool is_graphic(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    return true;
}

bool post_parse(const char *url, struct post_target *ret, struct error *err)
{
    static const char plain[] = "http://", sealed[] = "https://";
    *ret = (struct post_target){.url = url, .tls = strncmp(url, sealed, sizeof(sealed) - 1) == 0};
    const char *at = ret->tls                                      ? url + sizeof(sealed) - 1
                     : strncmp(url, plain, sizeof(plain) - 1) == 0 ? url + sizeof(plain) - 1
                                                                   : NULL;
    if (at == NULL || strlen(url) > POST_URL_MOST || !is_graphic(url))
        return error_set(err, ERROR_INPUT, "it is no http:// or https:// address");
    size_t authority = strcspn(at, "/?#");
    bool literal = at[0] == '[';
    size_t host = literal ? strcspn(at, "]") + 1 : strcspn(at, ":/?#");
    const char *port = at + host;
    size_t port_len = authority > host ? authority - host - 1 : 0;
    bool good = host > (literal ? 2U : 0U) && host <= authority &&
                host - (literal ? 2 : 0) < sizeof(ret->host) &&
                memchr(at, '@', authority) == NULL && strcspn(at, "#") >= strlen(at) &&
                (port_len == 0 ? authority == host
                               : port[0] == ':' && port_len < sizeof(ret->port) &&
                                     strspn(port + 1, "0123456789") >= port_len);
    if (!good)
        return error_set(err, ERROR_INPUT, "it is no address of a host, such as https://h/path");
    memcpy(ret->host, at + (literal ? 1 : 0), host - (literal ? 2 : 0));
    if (port_len > 0)
        memcpy(ret->port, port + 1, port_len);
    else
        memcpy(ret->port, ret->tls ? "443" : "80", ret->tls ? 4 : 3);
    ret->path = at + authority;
    return true;
}

bool post_json(const struct post_target *to, const char *suffix, const char *token,
               const char *body, uint64_t within_ns, struct error *err)
{
    struct web_answer answer;
    struct text url;
    if (token != NULL && !is_graphic(token))
        return error_set(err, ERROR_INPUT, "its token has a character that no header has");
    if (token != NULL && strlen(token) > TOKEN_MOST)
        return error_set(err, ERROR_LIMIT, "its token is too long");
    text_init(&url, 2 * POST_URL_MOST);
    text_add(&url, "%s%s", to->url, suffix);
    bool ok = web_wait(
        &(struct web_ask){
            .url = text_get(&url), .body = body, .token = token, .within_ns = within_ns},
        &answer);
    text_release(&url);
    if (!ok)
        return error_set(err, ERROR_PEER, "%s", answer.why);
    return answer.status / 100 == 2 || error_set(err, ERROR_PEER, "it answered %u", answer.status);
}
