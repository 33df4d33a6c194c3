#ifndef NET_TLS_PASS_H
#define NET_TLS_PASS_H

/* A TLS handshake that passes through a raw proxy: read on its way without a key, so that a fault
 * can hold or end it by stage, and one record tells of it. It decrypts nothing and changes nothing
 * else. As a transport it sits on both connections until the handshake is over. */

#include "net/conn.h"

/* ${client} and ${backend} are the two ends of a raw stream that has no byte yet. */
void tls_pass_begin(struct conn *client, struct conn *backend);
bool tls_pass_release(struct conn *c, const struct filter_chain *keep);
/* conn_close only. The record is emitted when the client's connection closes. */
void tls_pass_close(struct conn *c, enum conn_closer by, bool reset);

#endif
