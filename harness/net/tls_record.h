#ifndef NET_TLS_RECORD_H
#define NET_TLS_RECORD_H

/* Reads what of TLS is in clear: records, and the two hellos (RFC 8446 4, 5.1; RFC 5246). Pure, and
 * for bytes of anybody: nothing is trusted. It decrypts nothing. */

#include "base/bytes.h"

#define TLS_RECORD_HEADER_BYTES 5
#define TLS_RECORD_MOST_BYTES (TLS_RECORD_HEADER_BYTES + 16384 + 2048)
enum { TLS_RECORD_CCS = 20, TLS_RECORD_ALERT, TLS_RECORD_HANDSHAKE, TLS_RECORD_DATA };

enum tls_record_result { TLS_RECORD_MORE, TLS_RECORD_WHOLE, TLS_RECORD_BAD };
struct tls_record {
    uint8_t type;
    struct bytes body;
    size_t len; /* with its header */
};
/* The record at the beginning of ${in}. */
enum tls_record_result tls_record_parse(struct bytes in, struct tls_record *ret);

enum { TLS_MESSAGE_CLIENT_HELLO = 1, TLS_MESSAGE_SERVER_HELLO = 2, TLS_MESSAGE_CERTIFICATE = 11 };
/* The handshake message at the beginning of ${in}, a record's body or several: false when it is not
 * whole yet. ${ret_body} is without its header. */
bool tls_message_parse(struct bytes in, uint8_t *ret_type, struct bytes *ret_body, size_t *ret_len);

struct tls_hello {
    struct bytes sni;  /* a client's; at NULL: none */
    struct bytes alpn; /* a client's list as on the wire, a server's choice */
    uint16_t version;  /* a server's choice; a client's highest */
    bool resumes;      /* a client offers a session; a server took a pre-shared key */
    bool retries;      /* HelloRetryRequest */
};
/* The body of a ClientHello or a ServerHello; views into it. False: it is none. */
bool tls_hello_parse(struct bytes body, bool client, struct tls_hello *ret);

#endif
