#ifndef KUBE_EXEC_PLUGIN_H
#define KUBE_EXEC_PLUGIN_H

/* A credential plug-in of a kubeconfig (client.authentication.k8s.io): a program that prints who we
 * are as an ExecCredential. It gets no terminal, and CREDENTIALS_EXEC_MOST_NS. */

#include "base/bytes.h"

#define EXEC_PLUGIN_WORDS_MOST 100

struct exec_plugin {
    const char *command;      /* a path, or a name for PATH */
    const char *const *args;  /* NULL-terminated, without the command itself */
    const char *const *env;   /* "NAME=VALUE" beside our own; NULL-terminated */
    const char *api_version;  /* the two that we speak: v1, v1beta1 */
    const char *install_hint; /* NULL: none */
};

/* Its standard output, whole; its standard error is ours. ${info}: KUBERNETES_EXEC_INFO. Blocks. */
bool exec_plugin_run(const struct exec_plugin *p, const char *info, uint64_t most_ns,
                     struct buffer *ret, struct error *err) WARN_UNUSED;

/* What it said. Texts are the heap's, NULL where there is none: mint_wipe each. */
struct exec_answer {
    char *token, *cert_pem, *key_pem;
    uint64_t until_s; /* expirationTimestamp, seconds of the epoch; 0: does not expire */
};
/* Pure: bytes of a program that is not ours. */
bool exec_plugin_read(struct bytes output, const char *api_version, struct exec_answer *ret,
                      struct error *err) WARN_UNUSED;
/* "2026-11-26T09:41:00Z", with a fraction or an offset or neither (RFC 3339). False: no such time.
 */
bool exec_plugin_time(const char *text, uint64_t *ret_s);

#endif
