/* Certificates as text, for the journal: a root is known by its name and its key, for two roots may
 * share a name (samename_root). */

#include "net/tls_inside.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <time.h>

#define KEY_ID_SHOWN 4 /* bytes */

static uint64_t seconds_of(const ASN1_TIME *t)
{
    struct tm parts = {0};
    if (t == NULL || ASN1_TIME_to_tm(t, &parts) != 1)
        return 0;
    time_t s = timegm(&parts);
    return s < 0 ? 0 : (uint64_t)s;
}

static void name_text(const X509_NAME *name, char *to, size_t size)
{
    char *text = NULL;
    BIO *b = BIO_new(BIO_s_mem());
    to[0] = '\0';
    if (b != NULL && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) >= 0) {
        long len = BIO_get_mem_data(b, &text);
        snprintf(to, size, "%.*s", (int)len, text);
    }
    BIO_free(b);
}

static void serial_text(const X509 *leaf, char *to, size_t size)
{
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
    char *hex = n == NULL ? NULL : BN_bn2hex(n);
    snprintf(to, size, "%s", hex == NULL ? "" : hex);
    OPENSSL_free(hex);
    BN_free(n);
}

/* "CN=root-a#1a2b3c4d": the issuer of ${top}, or ${top} itself when it has issued itself. */
static void root_text(X509 *top, char *to, size_t size)
{
    bool own = X509_NAME_cmp(X509_get_subject_name(top), X509_get_issuer_name(top)) == 0;
    const ASN1_OCTET_STRING *id =
        own ? X509_get0_subject_key_id(top) : X509_get0_authority_key_id(top);
    char name[TLS_TEXT_BYTES];
    char key[2 * KEY_ID_SHOWN + 1] = "?";
    name_text(X509_get_issuer_name(top), name, sizeof(name));
    for (int i = 0; id != NULL && i < KEY_ID_SHOWN && i < ASN1_STRING_length(id); i++)
        snprintf(key + 2 * i, 3, "%02x", ASN1_STRING_get0_data(id)[i]);
    snprintf(to, size, "%.400s#%s", name, key);
}

/* One name, when it is of a kind that identities use. */
static int san_text(const GENERAL_NAME *name, char *to, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    int kind = 0;
    const void *value = GENERAL_NAME_get0_value(name, &kind);
    const ASN1_STRING *text = value;
    if (kind == GEN_URI || kind == GEN_DNS)
        return snprintf(to, size, "%s:%.*s", kind == GEN_URI ? "URI" : "DNS",
                        ASN1_STRING_length(text), (const char *)ASN1_STRING_get0_data(text));
    if (kind != GEN_IPADD)
        return 0;
    int family = ASN1_STRING_length(text) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(text) != 4 && ASN1_STRING_length(text) != 16)
        return 0;
    inet_ntop(family, ASN1_STRING_get0_data(text), address, sizeof(address));
    return snprintf(to, size, "IP:%s", address);
}

static void sans_text(const X509 *leaf, char *to, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;
    to[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && len + 1 < size; i++) {
        size_t comma = len > 0 ? 1 : 0;
        int n = san_text(sk_GENERAL_NAME_value(names, i), to + len + comma, size - len - comma);
        if (n <= 0) {
            to[len] = '\0';
            continue;
        }
        if (comma > 0)
            to[len] = ',';
        len += comma + (size_t)n;
    }
    GENERAL_NAMES_free(names);
}

void tls_text_read(X509 *leaf, X509 *top, struct tls_text *ret)
{
    *ret = (struct tls_text){.not_before_s = seconds_of(X509_get0_notBefore(leaf)),
                             .not_after_s = seconds_of(X509_get0_notAfter(leaf))};
    serial_text(leaf, ret->serial, sizeof(ret->serial));
    name_text(X509_get_issuer_name(leaf), ret->issuer, sizeof(ret->issuer));
    sans_text(leaf, ret->sans, sizeof(ret->sans));
    root_text(top == NULL ? leaf : top, ret->root, sizeof(ret->root));
}

bool tls_has_san(X509 *leaf, const char *san)
{
    bool found = false;
    if (strstr(san, "://") == NULL)
        return X509_check_host(leaf, san, 0, 0, NULL) == 1;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        int kind = 0;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        found = kind == GEN_URI && (size_t)ASN1_STRING_length(text) == strlen(san) &&
                memcmp(ASN1_STRING_get0_data(text), san, strlen(san)) == 0;
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* A key with a pass phrase is not to be asked for on a terminal. */
static int no_pass_phrase(char *to, int size, int writes, void *cookie)
{
    (void)to;
    (void)size;
    (void)writes;
    (void)cookie;
    return -1;
}

bool tls_read_chain(const char *pem, STACK_OF(X509) * *ret, struct error *err)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *one = NULL;
    INVARIANT(b != NULL && chain != NULL);
    while ((one = PEM_read_bio_X509(b, NULL, no_pass_phrase, NULL)) != NULL)
        INVARIANT(sk_X509_push(chain, one) > 0);
    /* the end of the text is an error of its own; any other is a block that is no certificate */
    bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(b);
    if (whole && sk_X509_num(chain) > 0) {
        *ret = chain;
        return true;
    }
    int read = sk_X509_num(chain);
    sk_X509_pop_free(chain, X509_free);
    return error_set(err, ERROR_INPUT, "certificate %d of the PEM text cannot be read", read + 1);
}

EVP_PKEY *tls_read_key(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = b == NULL ? NULL : PEM_read_bio_PrivateKey(b, NULL, no_pass_phrase, NULL);
    ERR_clear_error();
    BIO_free(b);
    return key;
}
