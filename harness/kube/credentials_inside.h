#ifndef KUBE_CREDENTIALS_INSIDE_H
#define KUBE_CREDENTIALS_INSIDE_H

/* What kubeconfig.c fills and credentials.c keeps fresh. Inside of the two only. */

#include "base/arena.h"
#include "kube/credentials.h"
#include "kube/exec_plugin.h"

struct credentials {
    struct arena arena; /* all of the kubeconfig's plain text */
    struct credentials_view view;
    /* The heap's, wiped when they go. view's cert_pem and key_pem are these two. */
    char *token, *cert_pem, *key_pem;
    const char *token_file; /* read before each call */
    bool has_exec;
    struct exec_plugin exec;
    const char *exec_info;
    uint64_t exec_until_s; /* 0: does not expire */
    bool exec_ran;
};

/* Fills ${c} from a kubeconfig; ${files}: the files it names are read, else only data is taken. */
bool kubeconfig_read(struct credentials *c, struct bytes yaml, const char *file, const char *folder,
                     const struct credentials_options *options, bool files,
                     struct error *err) WARN_UNUSED;
/* A small file as text in the heap, or NULL with ${err}. Its bytes are never in the error. */
char *credentials_file(const char *path, size_t most, struct error *err);
/* view's server and host_port of an https URL. */
bool credentials_set_server(struct credentials *c, const char *url, struct error *err) WARN_UNUSED;
/* A token goes into a header: no control characters, no spaces. */
bool credentials_set_token(struct credentials *c, const char *text, const char *whence,
                           struct error *err) WARN_UNUSED;

#endif
