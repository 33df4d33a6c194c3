/* layer: cli */

/* Any text as a --fault: no crash, and what is taken is an object with a word. */

#include "base/check.h"
#include "cli/proxy_fault.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *fault = NULL;
    struct error err = {0};
    char *text = check_alloc_zero(1, size + 1);
    memcpy(text, data, size);
    if (proxy_fault_parse(text, &fault, &err))
        INVARIANT(json_is_string(json_object_get(fault, "word")));
    else
        INVARIANT(err.text[0] != '\0');
    json_decref(fault);
    free(text);
    return 0;
}
