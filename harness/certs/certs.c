#include "certs/certs.h"

#include "base/text.h"

const char *const cert_kind_words[CERT_KIND_COUNT + 1] = {
    "good",
    "expired",
    "not_yet_valid",
    "wrong_san",
    "wrong_trust_domain",
    "unknown_root",
    "missing_intermediate",
    "samename_root",
    "no_certificate",
    "old_root",
    "new_root",
    NULL,
};

const char *cert_kind_word(enum cert_kind kind)
{
    INVARIANT((unsigned)kind < CERT_KIND_COUNT);
    return cert_kind_words[kind];
}

bool cert_kind_parse(const char *word, enum cert_kind *ret, struct error *err)
{
    struct text words;
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++) {
        if (strcmp(word, cert_kind_words[i]) == 0) {
            *ret = (enum cert_kind)i;
            return true;
        }
    }
    text_init(&words, 512);
    for (unsigned i = CERT_EXPIRED; i < CERT_KIND_COUNT; i++)
        text_add(&words, "%s%s", i == CERT_EXPIRED ? "" : ", ", cert_kind_words[i]);
    error_set(err, ERROR_INPUT, "there is no certificate fault \"%.40s\"; there is %s", word,
              text_get(&words));
    text_release(&words);
    return false;
}
