#ifndef NET_TLS_CONN_H
#define NET_TLS_CONN_H

/* TLS on one connection, as its transport. The handshake is driven by accept.c and dial.c with
 * tls_conn_handshake, before any byte of it is the relay's; what happened to it is one record,
 * emitted when the connection closes. */

#include "net/conn.h"
#include "net/tls.h"

/* Begins: from here on the connection is TLS, and its handshake's time runs. ${wake} is called when
 * the handshake is to be gone on with for another reason than an event: a hold is over, its time is
 * up. Takes no reference of ${ctx} but its own. */
void tls_conn_begin(struct conn *c, struct tls_context *ctx, enum side side,
                    void (*wake)(struct conn *c));
/* Goes on. DONE: complete; AGAIN: not yet; FIN, RESET: it failed, and why is in the record; what
 * was to be said about that (an alert) is out, and the connection is plain TCP again for whoever
 * ends it: with RST after RESET, with FIN after FIN. */
enum io tls_conn_handshake(struct conn *c);
/* What it agreed on; NULL: it is not complete, or there is none. Lives as long as the connection.
 */
const struct tls_view *tls_conn_view(const struct conn *c);
/* Whose doing it was that it failed. */
enum conn_closer tls_conn_blame(const struct conn *c);
/* The fault that had a hand in it; 0: none. */
uint16_t tls_conn_fault(const struct conn *c);
/* A fault that holds it was disarmed: goes on in the next turn. True when there was such a hold. */
bool tls_conn_release(struct conn *c, const struct filter_chain *keep);
/* conn_close only, before the descriptor closes: says goodbye, emits the record, frees. */
void tls_conn_close(struct conn *c, enum conn_closer by, bool reset);
/* tls_offer.c: the session that the endpoint's next connection would have offered. */
void tls_offer_forget(struct endpoint *e);

#endif
