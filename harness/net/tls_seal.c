/* An alert at a place of a TLS 1.3 handshake where OpenSSL would send none: sealed under the
 * handshake keys, behind exactly the records that went out (RFC 8446 5.2, 5.3, 7.3). */

#include "net/tls_inside.h"

#include <openssl/hmac.h>

#define HEADER_BYTES 5
#define INNER_BYTES 3 /* level, description, content type */
#define TAG_BYTES 16
#define IV_BYTES 12
#define KEY_MOST_BYTES 32

/* HKDF-Expand-Label of at most one hash's length, with no context. */
static bool expand(const EVP_MD *hash, const uint8_t *secret, const char *label, uint8_t *to,
                   size_t len)
{
    uint8_t info[32], out[EVP_MAX_MD_SIZE];
    unsigned out_len = 0;
    size_t label_len = strlen(label), at = 0;
    info[at++] = 0;
    info[at++] = (uint8_t)len;
    info[at++] = (uint8_t)(6 + label_len);
    memcpy(info + at, "tls13 ", 6);
    memcpy(info + at + 6, label, label_len);
    at += 6 + label_len;
    info[at++] = 0;
    info[at++] = 1; /* the first block's number */
    if (HMAC(hash, secret, EVP_MD_get_size(hash), info, at, out, &out_len) == NULL || out_len < len)
        return false;
    memcpy(to, out, len);
    OPENSSL_cleanse(out, sizeof(out));
    return true;
}

static bool seal(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *iv,
                 const uint8_t alert[2], uint8_t *record)
{
    const uint8_t inner[INNER_BYTES] = {alert[0], alert[1], SSL3_RT_ALERT};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len = 0, more = 0;
    bool ok = c != NULL && EVP_EncryptInit_ex(c, cipher, NULL, key, iv) == 1 &&
              EVP_EncryptUpdate(c, NULL, &len, record, HEADER_BYTES) == 1 &&
              EVP_EncryptUpdate(c, record + HEADER_BYTES, &len, inner, INNER_BYTES) == 1 &&
              EVP_EncryptFinal_ex(c, record + HEADER_BYTES + len, &more) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
                                  record + HEADER_BYTES + INNER_BYTES) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

bool tls_seal_alert(uint16_t cipher, const uint8_t *secret, uint64_t sequence,
                    const uint8_t alert[2], uint8_t ret_record[TLS_SEALED_ALERT_BYTES])
{
    const uint8_t header[HEADER_BYTES] = {SSL3_RT_APPLICATION_DATA, 3, 3, 0,
                                          INNER_BYTES + TAG_BYTES};
    uint8_t key[KEY_MOST_BYTES], iv[IV_BYTES];
    const EVP_CIPHER *aead = cipher == 0x1301   ? EVP_aes_128_gcm()
                             : cipher == 0x1302 ? EVP_aes_256_gcm()
                             : cipher == 0x1303 ? EVP_chacha20_poly1305()
                                                : NULL;
    const EVP_MD *hash = cipher == 0x1302 ? EVP_sha384() : EVP_sha256();
    if (aead == NULL ||
        !expand(hash, secret, "key", key, (size_t)EVP_CIPHER_get_key_length(aead)) ||
        !expand(hash, secret, "iv", iv, sizeof(iv)))
        return false;
    for (size_t i = 0; i < sizeof(sequence); i++)
        iv[IV_BYTES - 1 - i] ^= (uint8_t)(sequence >> (8 * i));
    memcpy(ret_record, header, sizeof(header));
    bool ok = seal(aead, key, iv, alert, ret_record);
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}
