#include "engine/psk.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <unistd.h>

bool psk_make(const char *run, struct psk *ret, struct error *err)
{
    *ret = (struct psk){0};
    INVARIANT(run[0] != '\0' && strlen(run) < sizeof(ret->identity));
    snprintf(ret->identity, sizeof(ret->identity), "%s", run);
    return RAND_bytes(ret->key, sizeof(ret->key)) == 1 ||
           error_set(err, ERROR_SYSTEM, "no random bytes for the agents' key");
}

void psk_print(const struct psk *p, char to[PSK_TEXT_BYTES])
{
    size_t n = (size_t)snprintf(to, PSK_TEXT_BYTES, "%s:", p->identity);
    for (size_t i = 0; i < PSK_KEY_BYTES; i++)
        n += (size_t)snprintf(to + n, PSK_TEXT_BYTES - n, "%02x", p->key[i]);
    snprintf(to + n, PSK_TEXT_BYTES - n, "\n");
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(struct bytes of)
{
    for (size_t i = 0; i < of.len; i++)
        if (of.at[i] <= ' ' || of.at[i] > '~')
            return false;
    return of.len > 0 && of.len < PSK_IDENTITY_BYTES;
}

bool psk_parse(const char *text, size_t len, struct psk *ret, struct error *err)
{
    struct bytes all = {(const uint8_t *)text, len};
    *ret = (struct psk){0};
    for (; all.len > 0 && is_space(all.at[all.len - 1]); all.len--)
        ;
    for (; all.len > 0 && is_space(all.at[0]); all.at++)
        all.len--;
    size_t colon = bytes_find(all, ':');
    if (colon == SIZE_MAX || !is_name((struct bytes){all.at, colon}))
        return error_set(err, ERROR_INPUT,
                         "the agents' key must be RUN:KEY, the run in at most %d printable "
                         "characters",
                         PSK_IDENTITY_BYTES - 1);
    struct bytes hex = {all.at + colon + 1, all.len - colon - 1};
    if (hex.len != (size_t)2 * PSK_KEY_BYTES)
        return error_set(err, ERROR_INPUT, "the agents' key has %zu hex digits; it must have %d",
                         hex.len, 2 * PSK_KEY_BYTES);
    for (size_t i = 0; i < PSK_KEY_BYTES; i++) {
        uint64_t value;
        if (!bytes_hex_to_u64((struct bytes){hex.at + 2 * i, 2}, &value)) {
            psk_wipe(ret);
            return error_set(err, ERROR_INPUT, "the agents' key has a byte that is no hex digit");
        }
        ret->key[i] = (uint8_t)value;
    }
    memcpy(ret->identity, all.at, colon);
    return true;
}

bool psk_read(const char *path, struct psk *ret, struct error *err)
{
    char text[4 * PSK_TEXT_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(err, errno, "reading the agents' key from %s", path);
    ssize_t n = read(fd, text, sizeof(text));
    int sys = errno;
    close(fd);
    bool ok = n >= 0 ? psk_parse(text, (size_t)n, ret, err)
                     : error_system(err, sys, "reading the agents' key from %s", path);
    if (!ok)
        error_prefix(err, "%s: ", path);
    OPENSSL_cleanse(text, sizeof(text));
    return ok;
}

void psk_wipe(struct psk *p)
{
    OPENSSL_cleanse(p, sizeof(*p));
}
