#ifndef KUBE_CREDENTIALS_H
#define KUBE_CREDENTIALS_H

/* Where the API server is, whom we trust for it, and how we say who we are (spec/kubernetes.md
 * section 4). In a pod: the environment and the mounted service account. Outside: the part of a
 * kubeconfig that the specification lists; what it does not read is refused by name, for a field
 * that is dropped would send us elsewhere, or as somebody else. No secret is ever in an error. */

#include "base/bytes.h"

#define CREDENTIALS_FILE_MOST_BYTES \
    ((size_t)1 << 20) /* kubeconfig, ca.crt, token, exec's answer \
                       */
#define CREDENTIALS_TOKEN_MOST_BYTES ((size_t)64 * 1024)
#define CREDENTIALS_EXEC_MOST_NS (UINT64_C(30) * 1000000000) /* how long a plug-in may take */
#define CREDENTIALS_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

struct credentials;

/* What a TLS connection needs; text borrowed until credentials_free or the next
 * credentials_refresh. */
struct credentials_view {
    const char *server;      /* "https://10.96.0.1:443", without '/' at the end */
    const char *host_port;   /* "10.96.0.1:443", for sentences */
    const char *account;     /* for sentences: "meshproof-conductor", or the kubeconfig's user */
    const char *namespace;   /* ours, or the context's; "default" where it says none */
    const char *ca_name;     /* for sentences: the file, or "certificate-authority-data of FILE" */
    const char *ca_pem;      /* NULL: the system's authorities */
    const char *server_name; /* NULL: the host's */
    bool insecure;           /* the certificate is not looked at */
    const char *cert_pem, *key_pem; /* NULL: no client certificate */
    bool in_cluster;
};

struct credentials_options {
    const char *kubeconfig; /* NULL: KUBECONFIG, then HOME/.kube/config */
    const char *context;    /* NULL: current-context */
    bool insecure;          /* insecure-skip-tls-verify is taken; else refused */
    const char *folder;     /* of the service account; NULL: CREDENTIALS_FOLDER */
};

/* In a pod (KUBERNETES_SERVICE_HOST is set, and no kubeconfig is named): that; else the kubeconfig.
 * KUBECONFIG with several files, auth-provider, username and password, impersonation and proxy-url
 * are refused with a sentence. */
bool credentials_open(const struct credentials_options *options, struct credentials **ret,
                      struct error *err) WARN_UNUSED;
/* From bytes, for tests and the fuzz target: ${folder} is where relative paths begin; ${file} is
 * what marks say and must outlive ${err}. Runs no
 * plug-in and reads no file. */
bool credentials_parse(struct bytes kubeconfig, const char *file, const char *folder,
                       const struct credentials_options *options, struct credentials **ret,
                       struct error *err) WARN_UNUSED;
void credentials_free(struct credentials *c);
void credentials_view(const struct credentials *c, struct credentials_view *ret);

/* Before each call: reads a mounted token anew (it rotates at 80 % of its life), runs the exec
 * plug-in when its answer has expired. ${again}: after a 401, whatever the expiry says. A plug-in
 * that takes CREDENTIALS_EXEC_MOST_NS is ended. */
bool credentials_refresh(struct credentials *c, bool again, struct error *err) WARN_UNUSED;
/* The bearer token of now; "" where there is none. Borrowed until the next refresh. Goes into one
 * header, and nowhere else. */
const char *credentials_token(const struct credentials *c);

#endif
