#include "certs/cert_chain.h"

#include "certs/mint.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static bool read_all(const char *pem, const char *what, STACK_OF(X509) * *ret, struct error *err)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *one;
    bool ok = all != NULL && bio != NULL;
    while (ok && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        ok = sk_X509_num(all) < CERT_CHAIN_MOST && sk_X509_push(all, one) > 0;
        if (!ok) {
            X509_free(one);
            error_set(err, ERROR_LIMIT, "the %s has more than the %d certificates allowed", what,
                      CERT_CHAIN_MOST);
        }
    }
    /* The end of the text is an error of its own; any other is a certificate that is broken. */
    unsigned long code = ERR_peek_last_error();
    if (ok && (sk_X509_num(all) == 0 || ERR_GET_REASON(code) != PEM_R_NO_START_LINE))
        ok = error_set(err, ERROR_INPUT, "certificate %d of the %s is not PEM",
                       sk_X509_num(all) + 1, what);
    ERR_clear_error();
    BIO_free(bio);
    if (!ok) {
        sk_X509_pop_free(all, X509_free);
        all = NULL;
    }
    *ret = all;
    return ok;
}

static uint64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    time_t at = ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
    return at < 0 ? 0 : (uint64_t)at;
}

static void common_name(const X509_NAME *name, char *to, size_t size)
{
    if (X509_NAME_get_text_by_NID(name, NID_commonName, to, (int)size) < 0)
        snprintf(to, size, "%s", "(no name)");
}

/* A peer may put any byte in a name: what is not a printable ASCII character becomes '?'. */
static void tidy(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            *text = '?';
    }
}

static void add_san(const GENERAL_NAME *name, struct text *to)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    char address[INET6_ADDRSTRLEN] = "";
    if (type == GEN_IPADD) {
        int len = ASN1_STRING_length(value);
        if (len == 4 || len == 16)
            inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), address,
                      sizeof(address));
        text_add(to, "%s%s", to->len > 0 ? "," : "", address);
    } else if (type == GEN_URI || type == GEN_DNS || type == GEN_EMAIL) {
        text_add(to, "%s%.*s", to->len > 0 ? "," : "", ASN1_STRING_length(value),
                 (const char *)ASN1_STRING_get0_data(value));
    }
}

static void read_sans(const X509 *x, char *to, size_t size)
{
    struct text t;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    text_init(&t, size - 4);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        add_san(sk_GENERAL_NAME_value(names, i), &t);
    snprintf(to, size, "%s%s", text_get(&t), t.full ? "..." : "");
    tidy(to);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    text_release(&t);
}

static void judge_chain(STACK_OF(X509) * chain, STACK_OF(X509) * roots, uint64_t wall_s,
                        struct cert_chain *ret)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    INVARIANT(store != NULL && context != NULL);
    for (int i = 0; i < sk_X509_num(roots); i++)
        (void)X509_STORE_add_cert(store, sk_X509_value(roots, i));
    INVARIANT(X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain) == 1);
    X509_STORE_CTX_set_time(context, 0, (time_t)wall_s);
    if (X509_verify_cert(context) == 1) {
        STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(context);
        common_name(X509_get_subject_name(sk_X509_value(built, sk_X509_num(built) - 1)), ret->root,
                    sizeof(ret->root));
        tidy(ret->root);
    } else if (ret->problem[0] == '\0') {
        snprintf(ret->problem, sizeof(ret->problem), "%s",
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
}

static void judge_key(X509 *leaf, const char *key_pem, struct cert_chain *ret)
{
    char no_password[] = ""; /* else OpenSSL asks the terminal */
    BIO *bio = BIO_new_mem_buf(key_pem, -1);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
    if (key == NULL)
        snprintf(ret->problem, sizeof(ret->problem), "the key is not PEM");
    else if (X509_check_private_key(leaf, key) != 1)
        snprintf(ret->problem, sizeof(ret->problem), "the key is another certificate's");
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
}

bool cert_chain_read(const char *chain_pem, const char *key_pem, const char *bundle_pem,
                     uint64_t wall_s, struct cert_chain *ret, struct error *err)
{
    STACK_OF(X509) * chain, *roots = NULL;
    *ret = (struct cert_chain){0};
    if (!read_all(chain_pem, "chain", &chain, err))
        return false;
    if (bundle_pem != NULL && !read_all(bundle_pem, "bundle", &roots, err)) {
        sk_X509_pop_free(chain, X509_free);
        return false;
    }
    X509 *leaf = sk_X509_value(chain, 0);
    mint_serial(leaf, ret->serial, sizeof(ret->serial));
    common_name(X509_get_issuer_name(leaf), ret->issuer, sizeof(ret->issuer));
    tidy(ret->issuer);
    read_sans(leaf, ret->sans, sizeof(ret->sans));
    ret->not_before_s = seconds_of(X509_get0_notBefore(leaf));
    ret->not_after_s = seconds_of(X509_get0_notAfter(leaf));
    ret->certificate_count = (size_t)sk_X509_num(chain);
    if (key_pem != NULL)
        judge_key(leaf, key_pem, ret);
    if (roots != NULL)
        judge_chain(chain, roots, wall_s, ret);
    sk_X509_pop_free(chain, X509_free);
    sk_X509_pop_free(roots, X509_free);
    return true;
}

bool cert_bundle_read(const char *bundle_pem, struct cert_bundle *ret, struct error *err)
{
    STACK_OF(X509) * all;
    *ret = (struct cert_bundle){0};
    if (!read_all(bundle_pem, "bundle", &all, err))
        return false;
    for (int i = 0; i < sk_X509_num(all); i++) {
        const X509 *x = sk_X509_value(all, i);
        struct cert_bundle_root *r = &ret->roots[ret->root_count++];
        common_name(X509_get_subject_name(x), r->name, sizeof(r->name));
        tidy(r->name);
        mint_serial(x, r->serial, sizeof(r->serial));
        r->not_before_s = seconds_of(X509_get0_notBefore(x));
        r->not_after_s = seconds_of(X509_get0_notAfter(x));
    }
    sk_X509_pop_free(all, X509_free);
    return true;
}
