#ifndef LIVE_PAGE_PAGE_GATE_H
#define LIVE_PAGE_PAGE_GATE_H

/* Who may look at a run's page and steer by it. The address that the run prints holds a token; it
 * is given once for a cookie (HttpOnly, SameSite=Strict), so that it stands neither in the address
 * bar, which a game day shows to everybody, nor in what scripts may read. A change needs, beside
 * the cookie, the token against forgery that stands in the page's forms, and no Origin but our own;
 * a program may send the token itself (authorization: Bearer) instead of both.
 *
 * What it cannot keep: browsers give a cookie to every port of a host, so whoever runs a server on
 * this host and makes the operator open it can read the cookie. Its name is drawn, so runs do not
 * collide. */

#include "net/http_server.h"

#define PAGE_SECRET_BYTES 33 /* 128 bits as hex digits, and the end */
#define PAGE_TOKEN_LEAST_BYTES 16
#define PAGE_TOKEN_MOST_BYTES 200

struct page_gate {
    char token[PAGE_TOKEN_MOST_BYTES + 1];
    bool drawn;    /* the token is ours, so it may be printed */
    bool loopback; /* Host must be a name of this host itself */
    char cookie[28], session[PAGE_SECRET_BYTES], forgery[PAGE_SECRET_BYTES];
};
/* ${token} NULL: one is drawn, which is for loopback alone. ERROR_USAGE: it is too short or too
 * long; ERROR_USAGE with ${listen} beyond loopback and no token; ERROR_INPUT: ${listen} is no
 * address. */
bool page_gate_init(struct page_gate *g, const char *listen, const char *token,
                    struct error *err) WARN_UNUSED;
void page_gate_release(struct page_gate *g);

enum page_who { PAGE_STRANGER, PAGE_BROWSER, PAGE_PROGRAM };
/* Of what is asked with such a head: 0 and who asks, or the status of a refusal with its reason.
 * ${changes}: it is to change something, so a foreign Origin is refused. */
uint16_t page_gate_check(const struct page_gate *g, struct fields fields, bool changes,
                         enum page_who *ret_who, const char **ret_why);
/* The query of the address that was printed. */
bool page_gate_opens(const struct page_gate *g, struct bytes query);
/* The form comes from our own page. */
bool page_gate_is_ours(const struct page_gate *g, struct bytes form);

#endif
