/* layer: base */

/* Any text as each quantity: a value that prints and parses back to itself, or one sentence. */

#include "base/units.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef bool parse(const char *text, uint64_t *ret, struct error *err);
typedef const char *print(uint64_t value, char *to, size_t size);

static void check(const char *text, parse *parse_it, parse *parse_back, print *print_it)
{
    uint64_t value = 0, back = 0;
    char shown[32];
    struct error err = {0};
    if (!parse_it(text, &value, &err)) {
        INVARIANT(err.kind == ERROR_INPUT && strchr(err.text, '\n') == NULL);
        return;
    }
    INVARIANT(err.kind == ERROR_NONE);
    if (print_it == NULL)
        return;
    print_it(value, shown, sizeof(shown));
    INVARIANT(parse_back(shown, &back, &err) && back == value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check(text, units_parse_duration, units_parse_duration, units_print_duration);
    check(text, units_parse_go_duration, units_parse_duration, units_print_duration);
    check(text, units_parse_gep_duration, units_parse_duration, units_print_duration);
    check(text, units_parse_share, units_parse_share, units_print_share);
    check(text, units_parse_rate, units_parse_rate, units_print_rate);
    check(text, units_parse_size, units_parse_size, units_print_size);
    check(text, units_parse_byterate, NULL, NULL);
    return 0;
}
