#include "certs/identity.h"

#include <arpa/inet.h>

#define SPIFFE "spiffe://"
#define LINKERD_MIDDLE ".serviceaccount.identity.linkerd."
#define OTHER_DOMAIN "elsewhere.example" /* RFC 2606: nobody's */
#define OTHER_ACCOUNT "not-"
#define OTHER_ADDRESS "192.0.2.1" /* RFC 5737: nobody's */

static bool lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* SPIFFE ID 2.1: lower case, digits, '.', '-', '_'; 1 to 255 bytes. */
static bool domain_is_good(const char *at, size_t len)
{
    if (len == 0 || len > 255)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!lower_or_digit(at[i]) && at[i] != '.' && at[i] != '-' && at[i] != '_')
            return false;
    }
    return true;
}

/* SPIFFE ID 2.2: segments of letters, digits, '.', '-', '_'; none empty, "." or "..". */
static bool path_is_good(const char *path)
{
    while (*path == '/') {
        path++;
        size_t len = strcspn(path, "/");
        if (len == 0 || (len == 1 && path[0] == '.') || (len == 2 && strncmp(path, "..", 2) == 0))
            return false;
        for (size_t i = 0; i < len; i++) {
            char c = path[i];
            if (!lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '-' && c != '_')
                return false;
        }
        path += len;
    }
    return *path == '\0';
}

static bool spiffe_is_good(const char *text)
{
    const char *domain = text + strlen(SPIFFE);
    size_t len = strcspn(domain, "/");
    return domain_is_good(domain, len) && path_is_good(domain + len);
}

static bool label_is_good(const char *at, size_t len)
{
    if (len == 0 || len > 63 || at[0] == '-' || at[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!lower_or_digit(at[i]) && !(at[i] >= 'A' && at[i] <= 'Z') && at[i] != '-' &&
            at[i] != '_')
            return false;
    }
    return true;
}

static bool dns_is_good(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 253)
        return false;
    if (strncmp(text, "*.", 2) == 0)
        text += 2;
    for (;;) {
        len = strcspn(text, ".");
        if (!label_is_good(text, len))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

static bool is_address(const char *text)
{
    unsigned char to[16];
    return inet_pton(AF_INET, text, to) == 1 || inet_pton(AF_INET6, text, to) == 1;
}

bool identity_add(struct identity *id, const char *text, struct error *err)
{
    enum san_kind kind = SAN_DNS;
    size_t len = strlen(text);
    if (id->san_count == IDENTITY_SANS_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d names allowed in one certificate",
                         IDENTITY_SANS_MOST);
    if (len >= IDENTITY_SAN_MOST_BYTES)
        return error_set(err, ERROR_LIMIT, "\"%.40s...\" is %zu bytes; a name has at most %d", text,
                         len, IDENTITY_SAN_MOST_BYTES - 1);
    if (strncmp(text, SPIFFE, strlen(SPIFFE)) == 0) {
        kind = SAN_URI;
        if (!spiffe_is_good(text))
            return error_set(err, ERROR_INPUT,
                             "\"%.80s\" is no SPIFFE id; one is like "
                             "spiffe://cluster.local/ns/shop/sa/payments",
                             text);
    } else if (is_address(text)) {
        kind = SAN_IP;
    } else if (!dns_is_good(text)) {
        return error_set(err, ERROR_INPUT,
                         "\"%.80s\" is neither a SPIFFE id nor a DNS name nor an IP address", text);
    }
    struct san *san = &id->sans[id->san_count++];
    san->kind = kind;
    memcpy(san->text, text, len + 1);
    return true;
}

static bool add_printed(struct identity *id, struct text *t, struct error *err)
{
    bool ok = t->full ? error_set(err, ERROR_LIMIT, "a name has at most %d bytes",
                                  IDENTITY_SAN_MOST_BYTES - 1)
                      : identity_add(id, text_get(t), err);
    text_release(t);
    return ok;
}

bool identity_add_istio(struct identity *id, const char *trust_domain, const char *ns,
                        const char *account, struct error *err)
{
    struct text t;
    text_init(&t, IDENTITY_SAN_MOST_BYTES);
    text_add(&t, SPIFFE "%s/ns/%s/sa/%s", trust_domain, ns, account);
    return add_printed(id, &t, err);
}

bool identity_add_linkerd(struct identity *id, const char *trust_domain, const char *ns,
                          const char *account, struct error *err)
{
    struct text t;
    text_init(&t, IDENTITY_SAN_MOST_BYTES);
    text_add(&t, "%s.%s" LINKERD_MIDDLE "%s", account, ns, trust_domain);
    return add_printed(id, &t, err);
}

static bool other_account(const struct san *san, struct identity *ret, struct error *err)
{
    struct text t;
    const char *last = strrchr(san->text, '/');
    text_init(&t, IDENTITY_SAN_MOST_BYTES);
    if (san->kind == SAN_IP)
        text_add(&t, "%s", strcmp(san->text, OTHER_ADDRESS) == 0 ? "192.0.2.2" : OTHER_ADDRESS);
    else if (san->kind == SAN_DNS && strncmp(san->text, "*.", 2) == 0)
        text_add(&t, OTHER_ACCOUNT "%s", san->text + 2);
    else if (san->kind == SAN_DNS)
        text_add(&t, OTHER_ACCOUNT "%s", san->text);
    else if (last >= san->text + strlen(SPIFFE)) /* there is a path */
        text_add(&t, "%.*s" OTHER_ACCOUNT "%s", (int)(last + 1 - san->text), san->text, last + 1);
    else
        text_add(&t, "%s/" OTHER_ACCOUNT "root", san->text);
    return add_printed(ret, &t, err);
}

bool identity_other_account(const struct identity *id, struct identity *ret, struct error *err)
{
    *ret = (struct identity){0};
    for (size_t i = 0; i < id->san_count; i++) {
        if (!other_account(&id->sans[i], ret, err))
            return false;
    }
    return true;
}

bool identity_other_domain(const struct identity *id, struct identity *ret, struct error *err)
{
    size_t moved = 0;
    *ret = (struct identity){0};
    for (size_t i = 0; i < id->san_count; i++) {
        struct text t;
        const char *text = id->sans[i].text, *linkerd = strstr(text, LINKERD_MIDDLE);
        text_init(&t, IDENTITY_SAN_MOST_BYTES);
        if (id->sans[i].kind == SAN_URI) {
            const char *domain = text + strlen(SPIFFE);
            text_add(&t, SPIFFE OTHER_DOMAIN "%s", domain + strcspn(domain, "/"));
            moved++;
        } else if (id->sans[i].kind == SAN_DNS && linkerd != NULL) {
            text_add(&t, "%.*s" LINKERD_MIDDLE OTHER_DOMAIN, (int)(linkerd - text), text);
            moved++;
        } else {
            text_add(&t, "%s", text);
        }
        if (!add_printed(ret, &t, err))
            return false;
    }
    if (moved == 0)
        return error_set(err, ERROR_INPUT,
                         "wrong_trust_domain needs a SPIFFE id or a Linkerd identity; there is %s",
                         id->san_count == 0 ? "no name" : id->sans[0].text);
    return true;
}

void identity_print(const struct identity *id, struct text *to)
{
    for (size_t i = 0; i < id->san_count; i++)
        text_add(to, "%s%s", i == 0 ? "" : ",", id->sans[i].text);
}

const char *identity_short(const struct identity *id, char *to, size_t size)
{
    const char *from = id->san_count == 0 ? "leaf" : id->sans[0].text;
    size_t len = strlen(from), n = 0;
    if (id->san_count > 0 && id->sans[0].kind == SAN_URI && strrchr(from, '/') != NULL) {
        from = strrchr(from, '/') + 1;
        len = strlen(from);
    } else if (strstr(from, LINKERD_MIDDLE) != NULL) {
        len = strcspn(from, ".");
    }
    for (size_t i = 0; i < len && n + 1 < size && n < 63; i++) {
        char c = from[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool good = lower_or_digit(c) || (n > 0 && (c == '.' || c == '-'));
        to[n] = good ? c : (n == 0 ? 'x' : '-');
        n++;
    }
    to[n] = '\0';
    return to;
}
