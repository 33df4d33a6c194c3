#include "cli/prepare.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Names of an external mesh's entry, such as a Kubernetes Service. They are asked once, before the
 * run: a resolver blocks, and an answer that changes while phases go on would be another mesh. */

#define HOST_MOST 256

static bool is_numeric(const char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

/* "payments.shop.svc:80" -> "10.96.3.7:80" in ${to}. */
static bool resolve(const char *host, const char *port, char *to, size_t size, struct error *err)
{
    char numeric[80];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int why = getaddrinfo(host, port, &hints, &found);
    if (why != 0)
        return error_set(err, ERROR_SYSTEM, "--to: \"%.100s\" has no address: %s", host,
                         gai_strerror(why));
    bool v6 = found->ai_family == AF_INET6;
    bool ok = getnameinfo(found->ai_addr, found->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
                          NI_NUMERICHOST) == 0;
    freeaddrinfo(found);
    snprintf(to, size, v6 ? "[%s]:%s" : "%s:%s", numeric, port);
    return ok || error_set(err, ERROR_SYSTEM, "--to: \"%.100s\" has no printable address", host);
}

/* "[::1]:80" is an address anyway: only what has one colon can be a name. */
static bool resolve_one(json_t *table, const char *service, const char *address, struct error *err)
{
    char host[HOST_MOST], found[96];
    const char *colon = strrchr(address, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - address);
    if (len == 0 || len >= sizeof(host) || memchr(address, ':', len) != NULL)
        return true; /* whoever dials it says what is wrong with it */
    memcpy(host, address, len);
    host[len] = '\0';
    if (is_numeric(host))
        return true;
    if (!resolve(host, colon + 1, found, sizeof(found), err))
        return false;
    fprintf(stderr, "%s is at %s, that is %s\n", service, address, found);
    json_object_set_new(table, service, json_string(found));
    return true;
}

bool prepare_names(struct prepared *p, struct error *err)
{
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        json_t *table = json_object_get(p->plan->scenarios[i].lab.external, "to"), *value;
        const char *service;
        void *next;
        if (p->scenarios[i].driver != DRIVER_EXTERNAL)
            continue;
        json_object_foreach_safe(table, next, service, value)
        {
            if (json_is_string(value) &&
                !resolve_one(table, service, json_string_value(value), err))
                return false;
        }
    }
    return true;
}
