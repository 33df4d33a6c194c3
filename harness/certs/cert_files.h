#ifndef CERTS_CERT_FILES_H
#define CERTS_CERT_FILES_H

/* A leaf and a bundle as files, swapped as Kubernetes' AtomicWriter swaps a mounted Secret:
 *
 *     DIR/tls.crt -> ..data/tls.crt      DIR/tls.key -> ..data/tls.key      DIR/ca.crt ->
 * ..data/ca.crt DIR/..data -> ..2026_11_25_11_44_00.000000000     (the one rename that readers see)
 *
 * so that a reader that watches DIR for a move never meets half a pair (measured with Envoy's
 * watched_directory: first handshake with the new leaf 1.4 to 5.8 ms later, tls-measured.md 3).
 * Files are never written in place. The version before the last is kept until the next swap, for a
 * reader that looked `..data` up just before it; Kubernetes removes it at once. */

#include "base/error.h"

#define CERT_FILES_MOST_BYTES ((size_t)1024 * 1024) /* of each file */

/* PEM texts. The chain and the key come together or not at all; NULL: the files are not there. */
struct cert_files {
    const char *chain_pem, *key_pem, *bundle_pem;
};
/* The directory is made when it is not there (its parent must be). ${ret_changed} is false, and
 * nothing is touched, when all bytes are those on disk: an equal swap would be an event for a
 * reader that compares nothing. Refused: a key of another leaf, a text that holds no certificate
 * (Envoy that was given one keeps the old bundle and refuses every later leaf). Keys are written
 * 0600. */
bool cert_files_write(const char *dir, const struct cert_files *files, uint64_t wall_ns,
                      bool *ret_changed, struct error *err) WARN_UNUSED;

/* What is on disk; heap texts, NULL for a file that is not there. The caller releases them. */
struct cert_texts {
    char *chain_pem, *key_pem, *bundle_pem;
};
bool cert_files_read(const char *dir, struct cert_texts *ret, struct error *err) WARN_UNUSED;
void cert_texts_release(struct cert_texts *t);

/* A whole small file as text, NULL when it is not there (then ${err} is empty) or on failure. */
char *cert_file_read(int at_dir, const char *path, struct error *err);
/* A new file with ${mode}, never through a link and never over one that is there. */
bool cert_file_create(int at_dir, const char *path, const char *text, unsigned mode,
                      struct error *err) WARN_UNUSED;

#endif
