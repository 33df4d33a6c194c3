#ifndef CERTS_CERT_STORE_JSON_H
#define CERTS_CERT_STORE_JSON_H

/* authority.json, the state of a cert_store as text. Belongs to cert_store.c alone. */

#include "certs/cert_store.h"

#define CERT_STORE_FILE "authority.json"

/* Heap text with a newline at its end. */
char *cert_store_print(const struct cert_store *s);
/* Fills ${s} but for the keys; ${roots} has room for AUTHORITY_ROOTS_MOST names. */
bool cert_store_parse(struct cert_store *s, const char *text,
                      char (*roots)[AUTHORITY_NAME_MOST_BYTES], size_t *ret_count,
                      struct error *err) WARN_UNUSED;
/* Every root that the state names is there. */
bool cert_store_check(const struct cert_store *s, struct error *err) WARN_UNUSED;

#endif
