/* layer: cli */
#include "cli/config.h"

/* Any bytes as .meshproof.yaml: read, and each value asked for. Nothing may crash, leak or hang. */

/* As in fuzz_yaml.c: libfyaml's own. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct config c = {0};
    struct error err = {0};
    if (config_parse((struct bytes){at, len}, "fuzz.yaml", &c, &err)) {
        for (size_t i = 0; i < c.count; i++)
            INVARIANT(config_get(&c, c.values[i].command, c.values[i].option, 0) != NULL);
    } else {
        INVARIANT(err.kind != ERROR_NONE);
    }
    config_release(&c);
    return 0;
}
