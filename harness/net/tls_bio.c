/* The bytes below TLS: an OpenSSL BIO over a connection's socket. What is written waits in a buffer
 * of ours, so OpenSSL never sees a full socket, a fault can let go on record by record, and a whole
 * flight leaves in one send. */

#include "net/tls_inside.h"

#include "base/clock.h"

/* Far more than a flight; application data is made only while nothing waits. */
#define WIRE_MOST_BYTES ((size_t)1024 * 1024)
#define WIRE_KEEP_BYTES ((size_t)4096)

static int on_write(BIO *b, const char *from, size_t len, size_t *ret_len)
{
    struct tls *t = BIO_get_data(b);
    struct error err = {0};
    BIO_clear_retry_flags(b);
    if (!buffer_add(&t->wire, from, len, &err))
        return 0;
    *ret_len = len;
    return 1;
}

static int on_read(BIO *b, char *to, size_t size, size_t *ret_len)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *ret_len = 0;
    switch (transport_tcp.read(t->conn, (uint8_t *)to, size, ret_len)) {
    case IO_DONE:
        if (t->record.first_byte == 0) {
            t->record.first_byte = (uint8_t)to[0];
            t->not_tls = (uint8_t)to[0] != SSL3_RT_HANDSHAKE && (uint8_t)to[0] != SSL3_RT_ALERT;
        }
        return 1;
    case IO_AGAIN:
        BIO_set_retry_read(b);
        return 0;
    case IO_FIN:
        t->eof = true;
        return 0;
    case IO_RESET:
        t->reset = true;
        return 0;
    }
    UNREACHABLE();
}

static long on_control(BIO *b, int command, long number, void *at)
{
    struct tls *t = BIO_get_data(b);
    (void)number;
    (void)at;
    if (command == BIO_CTRL_EOF)
        return t->eof ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO *tls_bio_new(struct tls *t)
{
    static BIO_METHOD *method; /* a const table that OpenSSL wants built at run time */
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "meshproof conn");
        INVARIANT(method != NULL && BIO_meth_set_write_ex(method, on_write) == 1 &&
                  BIO_meth_set_read_ex(method, on_read) == 1 &&
                  BIO_meth_set_ctrl(method, on_control) == 1);
    }
    BIO *b = BIO_new(method);
    INVARIANT(b != NULL);
    buffer_init(&t->wire, WIRE_MOST_BYTES);
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    return b;
}

enum io tls_bio_flush(struct tls *t)
{
    struct conn *c = t->conn;
    size_t sent = 0;
    enum io io = IO_DONE;
    if (t->wire_free > t->wire_from && c->writable) {
        struct iovec part = {.iov_base = t->wire.at + t->wire_from,
                             .iov_len = t->wire_free - t->wire_from};
        if (!t->done && t->record.flight_out == 0 &&
            (t->side == SIDE_REQUEST || t->record.hello != 0))
            t->record.flight_out = tls_watch_span(t);
        if (!t->done && t->side == SIDE_RESPONSE && t->record.hello == 0)
            t->record.hello = tls_watch_span(t);
        io = transport_tcp.write(c, &part, 1, &sent);
        t->wire_from += sent;
        if (sent < part.iov_len)
            c->writable = false;
    }
    if (t->wire_from == t->wire.len) {
        t->wire.len = t->wire_from = t->wire_free = 0;
        if (t->wire.capacity > WIRE_KEEP_BYTES)
            buffer_release(&t->wire);
    }
    c->sealed = t->wire.len - t->wire_from;
    if (io == IO_RESET)
        return io;
    return t->wire_free > t->wire_from ? IO_AGAIN : IO_DONE;
}
