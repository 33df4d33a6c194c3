/* layer: cli */
#include "cli/serve_ask.h"

#include <string.h>

/* Any bytes as the body of a webhook: what is taken stays below the suites' folder, and nothing in
 * it can be read as an option or as two. */

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void check_texts(char texts[][SERVE_TEXT_MOST], size_t count)
{
    INVARIANT(count <= SERVE_PARAMS_MOST);
    for (size_t i = 0; i < count; i++)
        for (const char *c = texts[i]; *c != '\0'; c++)
            INVARIANT((unsigned char)*c >= 32 && *c != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    json_t *body = NULL;
    struct error err = {0};
    static struct serve_ask ask;
    uint64_t wait_ns;
    if (!serve_ask_body((struct bytes){at, len}, &body, &err)) {
        INVARIANT(err.kind != ERROR_NONE);
        return 0;
    }
    if (serve_ask_read(body, "/proc/self", &ask, &err)) {
        INVARIANT(strncmp(ask.suite, "/proc/self/", 11) == 0 && strstr(ask.suite, "..") == NULL);
        check_texts(ask.sets, ask.set_count);
        check_texts(ask.tags, ask.tag_count);
    }
    (void)serve_ask_wait(body, &wait_ns, &err);
    json_decref(body);
    return 0;
}
