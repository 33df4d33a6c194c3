#include "certs/mint.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define ORGANISATION "meshproof lab"

bool mint_failed(struct error *err, const char *what)
{
    char reason[120] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code != 0 && ERR_reason_error_string(code) != NULL)
        snprintf(reason, sizeof(reason), "%s", ERR_reason_error_string(code));
    ERR_clear_error();
    return error_set(err, ERROR_SYSTEM, "%s: OpenSSL says: %s", what, reason);
}

EVP_PKEY *mint_key(struct error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        mint_failed(err, "making a key");
    return key;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                      -1, 0) == 1;
}

static GENERAL_NAME *general_name(const struct san *san)
{
    unsigned char address[16];
    GENERAL_NAME *name = GENERAL_NAME_new();
    const void *from = san->text;
    int len = (int)strlen(san->text), type = san->kind == SAN_URI ? GEN_URI : GEN_DNS;
    ASN1_STRING *value = san->kind == SAN_IP ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (san->kind == SAN_IP) {
        type = GEN_IPADD;
        from = address;
        len = inet_pton(AF_INET, san->text, address) == 1 ? 4 : 16;
        if (len == 16 && inet_pton(AF_INET6, san->text, address) != 1)
            len = -1;
    }
    if (name == NULL || value == NULL || len < 0 || ASN1_STRING_set(value, from, len) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, type, value);
    return name;
}

/* By structures, not by X509V3's text form, whose commas would be the peer's to write. */
static bool add_sans(X509 *x, const struct identity *id, bool critical)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL;
    for (size_t i = 0; i < id->san_count && ok; i++) {
        GENERAL_NAME *name = general_name(&id->sans[i]);
        ok = name != NULL && sk_GENERAL_NAME_push(names, name) > 0;
        if (!ok)
            GENERAL_NAME_free(name);
    }
    ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, names, critical, X509V3_ADD_APPEND) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return ok;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer == NULL ? x : issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool add_extensions(X509 *x, const struct mint_order *o)
{
    char constraints[40] = "critical,CA:TRUE";
    if (o->path_length >= 0)
        snprintf(constraints, sizeof(constraints), "critical,CA:TRUE,pathlen:%d", o->path_length);
    bool leaf = o->identity != NULL;
    if (!add_extension(x, o->issuer, NID_basic_constraints,
                       leaf ? "critical,CA:FALSE" : constraints) ||
        !add_extension(x, o->issuer, NID_key_usage,
                       leaf ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign") ||
        (leaf && !add_extension(x, o->issuer, NID_ext_key_usage, "serverAuth,clientAuth")) ||
        !add_extension(x, o->issuer, NID_subject_key_identifier, "hash"))
        return false;
    if (!o->omit_authority_key && o->issuer != NULL &&
        !add_extension(x, o->issuer, NID_authority_key_identifier, "keyid:always"))
        return false;
    return !leaf || add_sans(x, o->identity, o->common_name == NULL);
}

static bool fill(X509 *x, const struct mint_order *o)
{
    X509_NAME *subject = X509_get_subject_name(x);
    BIGNUM *serial = BN_new();
    bool ok = serial != NULL && BN_set_word(serial, o->serial) == 1 &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) != NULL;
    BN_free(serial);
    if (!ok || X509_set_version(x, X509_VERSION_3) != 1 || X509_set_pubkey(x, o->key) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(x), (time_t)o->not_before_s) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(x), (time_t)o->not_after_s) == NULL)
        return false;
    if (o->common_name != NULL &&
        (!add_name(subject, "O", ORGANISATION) || !add_name(subject, "CN", o->common_name)))
        return false;
    return X509_set_issuer_name(x, o->issuer == NULL ? subject
                                                     : X509_get_subject_name(o->issuer)) == 1;
}

X509 *mint_certificate(const struct mint_order *o, struct error *err)
{
    X509 *x = X509_new();
    INVARIANT((o->issuer == NULL) == (o->issuer_key == NULL));
    if (x != NULL && fill(x, o) && add_extensions(x, o) &&
        X509_sign(x, o->issuer_key == NULL ? o->key : o->issuer_key, EVP_sha256()) > 0)
        return x;
    X509_free(x);
    mint_failed(err, "making a certificate");
    return NULL;
}

static char *text_of(BIO *bio)
{
    char *at, *text = NULL;
    long len = BIO_get_mem_data(bio, &at);
    if (len > 0) {
        text = check_alloc((size_t)len + 1);
        memcpy(text, at, (size_t)len);
        text[len] = '\0';
    }
    BIO_free(bio);
    return text;
}

char *mint_certificate_pem(X509 *certificate, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL && PEM_write_bio_X509(bio, certificate) == 1)
        return text_of(bio);
    BIO_free(bio);
    mint_failed(err, "writing a certificate");
    return NULL;
}

char *mint_key_pem(EVP_PKEY *key, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    if (bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        return text_of(bio);
    BIO_free(bio);
    mint_failed(err, "writing a key");
    return NULL;
}

void mint_wipe(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void mint_serial(const X509 *certificate, char *to, size_t size)
{
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = n == NULL ? NULL : BN_bn2hex(n);
    snprintf(to, size, "%s", hex == NULL ? "?" : hex);
    OPENSSL_free(hex);
    BN_free(n);
}
