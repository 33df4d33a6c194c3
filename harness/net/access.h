#ifndef NET_ACCESS_H
#define NET_ACCESS_H

/* Who may ask an HTTP interface of ours: what all of them share. A page on any site can make the
 * browser of somebody on this host ask (and by DNS rebinding read the answer), so Host, Origin and
 * a secret decide, never the address that a request came from. */

#include "net/stream.h"

/* Whether the address ("127.0.0.1:0") is one that only this host can reach. ERROR_INPUT: it is
 * none.
 */
bool access_is_loopback(const char *address, bool *ret, struct error *err) WARN_UNUSED;
/* How many fields have that name; ${ret} (may be NULL) is the first one's value, trimmed. More than
 * one is as wrong as none where it decides something. */
size_t access_field(struct fields fields, const char *name, struct bytes *ret);
/* A value of Host that only this host's own names have: localhost, 127.*, [::1], with a port or
 * without. */
bool access_is_loopback_host(struct bytes host);
/* In constant time, but for the length. */
bool access_is_secret(struct bytes given, const char *secret);
/* `authorization: Bearer TOKEN`, once (RFC 6750 2.1). */
bool access_bearer(struct fields fields, const char *token);
/* Whether the head alone allows it: 0, or the status of the refusal, with the reason. Without a
 * token a browser on this host could be made to ask: Host must be a loopback name (DNS rebinding),
 * and no Origin may be given (RFC 6454 7). ${token}: RFC 6750 2.1, compared in constant time. */
uint16_t access_check(struct fields fields, const char *token, const char **ret_why);

#endif
