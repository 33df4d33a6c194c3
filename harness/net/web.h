#ifndef NET_WEB_H
#define NET_WEB_H

/* Asking somebody else's HTTP server, over libcurl: probes, and messages about a run. TLS 1.2 or
 * later, with its certificate and its name checked; no redirect is followed, no proxy of the
 * environment asked, and of an answer no more is kept than ${body_most_bytes}. What goes wrong is
 * told without the address, which may be a secret, and without the token.
 *
 * What must be timed to the microsecond goes by http_client.h. */

#include "base/text.h"
#include "net/loop.h"

struct web_ask {
    const char *url; /* http:// or https:// */
    const char
        *address;      /* "127.0.0.1:443": where its host is; NULL: it is looked up, which blocks */
    const char *body;  /* JSON to POST; NULL: GET */
    const char *token; /* Authorization: Bearer; NULL: none */
    const char
        *ca; /* a PEM file, which alone is trusted; NULL: the system's roots, and SSL_CERT_FILE */
    uint64_t within_ns;
    size_t body_most_bytes; /* 0: nothing of the answer but its status is waited for */
};
struct web_answer {
    uint16_t status;   /* 0: there was no answer, and ${why} says so */
    struct bytes body; /* until the call returns */
    char why[160];
    bool refused; /* by us: its certificate, or its name in it, is not to be trusted */
};

/* Waits for it; for processes of their own. Makes no signal. False: no answer. ${ret->body} is
 * empty. */
bool web_wait(const struct web_ask *ask, struct web_answer *ret);

/* One question at a time, on a loop. Each has a connection of its own, as a new client has. */
struct web;
bool web_new(struct loop *loop, struct web **ret, struct error *err) WARN_UNUSED;
/* NULL is fine; a question under way ends without a call. Not within on_end. */
void web_free(struct web *w);
/* ${ask} is copied, but for ${body}, which lives until the end. Never calls back before it returns;
 * once, unless web_cancel comes first. */
void web_start(struct web *w, const struct web_ask *ask,
               void (*on_end)(void *cookie, const struct web_answer *answer), void *cookie);
void web_cancel(struct web *w);

#endif
