#include "net/tls_record.h"

#include <openssl/ssl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A ClientHello that OpenSSL makes, as the wire has it. */
static size_t client_hello(int most, const char *sni, uint8_t *to, size_t size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, most);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    if (sni != NULL)
        SSL_set_tlsext_host_name(ssl, sni);
    SSL_set_alpn_protos(ssl, (const uint8_t *)"\x02h2\x08http/1.1", 12);
    assert_int_not_equal(SSL_connect(ssl), 1);
    int len = BIO_read(out, to, (int)size);
    assert_true(len > 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)len;
}

static void the_hello_of_openssl_is_read(void **state)
{
    uint8_t wire[4096];
    struct tls_record record;
    struct tls_hello hello;
    struct bytes body;
    uint8_t type = 0;
    size_t len = 0;
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct bytes in = {wire, client_hello(version, "payments.shop", wire, sizeof(wire))};
        assert_int_equal(tls_record_parse(in, &record), TLS_RECORD_WHOLE);
        assert_int_equal(record.type, TLS_RECORD_HANDSHAKE);
        assert_int_equal(record.len, in.len);
        assert_true(tls_message_parse(record.body, &type, &body, &len));
        assert_int_equal(type, TLS_MESSAGE_CLIENT_HELLO);
        assert_true(tls_hello_parse(body, true, &hello));
        assert_int_equal(hello.version, version);
        assert_true(bytes_equal(hello.sni, BYTES("payments.shop")));
        assert_true(bytes_equal(hello.alpn, BYTES("\x02h2\x08http/1.1")));
        assert_false(hello.resumes);
        /* each prefix is only not whole yet */
        for (size_t n = 0; n < in.len; n++)
            assert_int_equal(tls_record_parse((struct bytes){wire, n}, &record), TLS_RECORD_MORE);
        /* each prefix of the body is no hello, or one without what is cut off */
        for (size_t n = 0; n < body.len; n++)
            (void)tls_hello_parse((struct bytes){body.at, n}, true, &hello);
    }
}

static void a_hello_without_a_name_has_none(void **state)
{
    uint8_t wire[4096];
    struct tls_record record;
    struct tls_hello hello;
    struct bytes body;
    uint8_t type = 0;
    size_t len = 0;
    struct bytes in = {wire, client_hello(TLS1_3_VERSION, NULL, wire, sizeof(wire))};
    (void)state;
    assert_int_equal(tls_record_parse(in, &record), TLS_RECORD_WHOLE);
    assert_true(tls_message_parse(record.body, &type, &body, &len));
    assert_true(tls_hello_parse(body, true, &hello));
    assert_null(hello.sni.at);
}

static void what_is_no_record_is_bad_at_its_first_wrong_byte(void **state)
{
    struct tls_record record;
    (void)state;
    assert_int_equal(tls_record_parse(BYTES("GET / HTTP/1.1"), &record), TLS_RECORD_BAD);
    assert_int_equal(tls_record_parse(BYTES("G"), &record), TLS_RECORD_BAD);
    assert_int_equal(tls_record_parse(BYTES("\x16\x02"), &record), TLS_RECORD_BAD);
    assert_int_equal(tls_record_parse(BYTES("\x16\x03\x01\xff\xff"), &record), TLS_RECORD_BAD);
    assert_int_equal(tls_record_parse(BYTES(""), &record), TLS_RECORD_MORE);
    assert_int_equal(tls_record_parse(BYTES("\x15\x03\x03\x00\x02\x02\x28"), &record),
                     TLS_RECORD_WHOLE);
    assert_int_equal(record.type, TLS_RECORD_ALERT);
    assert_int_equal(record.body.at[1], 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hello_of_openssl_is_read),
        cmocka_unit_test(a_hello_without_a_name_has_none),
        cmocka_unit_test(what_is_no_record_is_bad_at_its_first_wrong_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
