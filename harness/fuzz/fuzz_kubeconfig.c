/* layer: kube */

/* Any bytes as a kubeconfig, and as what a credential plug-in prints: who we are and where we go,
 * or one sentence. No plug-in runs and no file is read. */

#include "certs/mint.h"
#include "kube/credentials.h"
#include "kube/exec_plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_plugin(struct bytes output)
{
    static const char version[] = "client.authentication.k8s.io/v1";
    struct exec_answer answer;
    struct error err = {0};
    if (!exec_plugin_read(output, version, &answer, &err)) {
        INVARIANT(err.kind != ERROR_NONE && answer.token == NULL && answer.key_pem == NULL);
        return;
    }
    INVARIANT(answer.token != NULL || answer.cert_pem != NULL);
    INVARIANT((answer.cert_pem == NULL) == (answer.key_pem == NULL));
    mint_wipe(answer.token);
    mint_wipe(answer.cert_pem);
    mint_wipe(answer.key_pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char file[] = "kubeconfig";
    struct bytes bytes = {data, size};
    for (int insecure = 0; insecure <= 1; insecure++) {
        struct credentials_options options = {.insecure = insecure == 1};
        struct credentials *c = NULL;
        struct credentials_view v;
        struct error err = {0};
        if (!credentials_parse(bytes, file, "/f", &options, &c, &err)) {
            INVARIANT(err.kind != ERROR_NONE);
            /* What a mark names outlives the failure. */
            INVARIANT(err.source.file == NULL || err.source.file == file);
            continue;
        }
        credentials_view(c, &v);
        INVARIANT(strncmp(v.server, "https://", 8) == 0 && v.host_port != NULL);
        INVARIANT(v.namespace != NULL && v.account != NULL && v.ca_name != NULL);
        INVARIANT(!v.insecure || options.insecure);
        /* It goes into a header. */
        for (const char *t = credentials_token(c); *t != '\0'; t++)
            INVARIANT(*t != '\r' && *t != '\n' && *t != ' ');
        credentials_free(c);
    }
    read_plugin(bytes);
    return 0;
}
