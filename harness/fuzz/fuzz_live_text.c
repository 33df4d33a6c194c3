/* layer: live */

/* Any bytes as a name in the live views: what comes out is valid, has a width, and nothing in it
 * acts on a terminal; cut anywhere, it stays so. */

#include "live/canvas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inert(const char *text)
{
    char again[256];
    for (const char *at = text; *at != '\0'; at++)
        INVARIANT((unsigned char)*at >= 0x20 && *at != 0x7f);
    live_clean(again, sizeof(again), text);
    INVARIANT(strcmp(again, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[200], clean[200], cut[256];
    if (size < 2 || size > sizeof(name))
        return 0;
    size_t columns = 4 + data[0] % 60;
    memcpy(name, data + 1, size - 1);
    name[size - 1] = '\0';
    live_clean(clean, sizeof(clean), name);
    check_inert(clean);
    canvas_middle(clean, columns, data[0] % 2 == 0, cut, sizeof(cut));
    check_inert(cut);
    INVARIANT(live_columns(cut) <= columns);
    struct canvas *c = canvas_new(columns, 2, data[0] % 3 == 0);
    struct text lines;
    text_init(&lines, 4096);
    canvas_put_within(c, 0, data[0] % 7, columns, STYLE_PLAIN, clean);
    canvas_put_right(c, 1, columns, STYLE_PLAIN, clean);
    canvas_write(c, false, &lines);
    const char *first = text_get(&lines), *end = strchr(first, '\n');
    INVARIANT(end != NULL && strchr(end + 1, '\n') == NULL);
    text_release(&lines);
    canvas_free(c);
    return 0;
}
