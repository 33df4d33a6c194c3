#include "live/page/page_gate.h"

#include "live/page/page_form.h"
#include "net/access.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

static void draw(char *to, size_t digits)
{
    uint8_t bytes[16];
    INVARIANT(digits <= 2 * sizeof(bytes) && RAND_bytes(bytes, sizeof(bytes)) == 1);
    for (size_t i = 0; i < digits; i++)
        to[i] = "0123456789abcdef"[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
    to[digits] = '\0';
}

bool page_gate_init(struct page_gate *g, const char *listen, const char *token, struct error *err)
{
    bool loopback;
    if (!access_is_loopback(listen, &loopback, err)) {
        error_prefix(err, "--listen ");
        return false;
    }
    if (!loopback && token == NULL)
        return error_set(err, ERROR_USAGE,
                         "--listen %s is beyond loopback, which needs a token: --token-env NAME",
                         listen);
    size_t len = token == NULL ? PAGE_TOKEN_LEAST_BYTES : strlen(token);
    if (len < PAGE_TOKEN_LEAST_BYTES || len > PAGE_TOKEN_MOST_BYTES)
        return error_set(err, ERROR_USAGE,
                         "the token of --token-env has %zu bytes; it must have %d to %d", len,
                         PAGE_TOKEN_LEAST_BYTES, PAGE_TOKEN_MOST_BYTES);
    *g = (struct page_gate){.drawn = token == NULL, .loopback = loopback};
    if (token == NULL)
        draw(g->token, PAGE_SECRET_BYTES - 1);
    else
        snprintf(g->token, sizeof(g->token), "%s", token);
    snprintf(g->cookie, sizeof(g->cookie), "meshproof_");
    draw(g->cookie + strlen(g->cookie), 8);
    draw(g->session, PAGE_SECRET_BYTES - 1);
    draw(g->forgery, PAGE_SECRET_BYTES - 1);
    return true;
}

void page_gate_release(struct page_gate *g)
{
    OPENSSL_cleanse(g, sizeof(*g));
}

/* One of the pairs of one of the fields (RFC 6265 5.4). */
static bool has_cookie(const struct page_gate *g, struct fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        struct bytes rest = fields.at[i].value;
        if (!bytes_equal_nocase(fields.at[i].name, BYTES("cookie")))
            continue;
        while (rest.len > 0) {
            size_t end = bytes_find(rest, ';');
            struct bytes pair =
                bytes_trim((struct bytes){rest.at, end == SIZE_MAX ? rest.len : end});
            size_t used = end == SIZE_MAX ? rest.len : end + 1, name = strlen(g->cookie);
            rest = (struct bytes){rest.at + used, rest.len - used};
            if (pair.len > name && bytes_starts(pair, bytes_of(g->cookie)) &&
                pair.at[name] == '=' &&
                access_is_secret((struct bytes){pair.at + name + 1, pair.len - name - 1},
                                 g->session))
                return true;
        }
    }
    return false;
}

/* "http://HOST" or "https://HOST" (something before us may speak TLS) of this very request. */
static bool is_own_origin(struct bytes origin, struct bytes host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (bytes_starts(origin, bytes_of(schemes[i])) &&
            bytes_equal_nocase((struct bytes){origin.at + len, origin.len - len}, host))
            return true;
    }
    return false;
}

/* A browser says where the asking came from; one that does not say is held by the other tokens. */
static bool is_foreign(struct fields fields, struct bytes host)
{
    struct bytes origin = {0}, site = {0};
    size_t origins = access_field(fields, "origin", &origin);
    size_t sites = access_field(fields, "sec-fetch-site", &site);
    return (origins > 0 && (origins > 1 || !is_own_origin(origin, host))) ||
           (sites > 0 && (sites > 1 || !bytes_equal(site, BYTES("same-origin"))));
}

uint16_t page_gate_check(const struct page_gate *g, struct fields fields, bool changes,
                         enum page_who *ret_who, const char **ret_why)
{
    struct bytes host = {0};
    *ret_who = PAGE_STRANGER;
    *ret_why = "host must be said once";
    if (access_field(fields, "host", &host) != 1)
        return 400;
    *ret_why = "host must be a loopback name: the page listens on loopback";
    if (g->loopback && !access_is_loopback_host(host))
        return 403;
    *ret_who = access_bearer(fields, g->token) ? PAGE_PROGRAM
               : has_cookie(g, fields)         ? PAGE_BROWSER
                                               : PAGE_STRANGER;
    *ret_why = "open the address that the run printed, with its token";
    if (*ret_who == PAGE_STRANGER)
        return 401;
    *ret_why = "another site's page may not steer a run";
    return changes && *ret_who == PAGE_BROWSER && is_foreign(fields, host) ? 403 : 0;
}

static bool has_secret(struct bytes form, const char *name, const char *secret)
{
    char given[PAGE_TOKEN_MOST_BYTES + 1];
    bool right = page_form_get(form, name, given, sizeof(given)) &&
                 access_is_secret(bytes_of(given), secret);
    OPENSSL_cleanse(given, sizeof(given));
    return right;
}

bool page_gate_opens(const struct page_gate *g, struct bytes query)
{
    return has_secret(query, "token", g->token);
}

bool page_gate_is_ours(const struct page_gate *g, struct bytes form)
{
    return has_secret(form, "forgery", g->forgery);
}
