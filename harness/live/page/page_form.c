#include "live/page/page_form.h"

#include <jansson.h>

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A '%' without two digits behind it stands for itself. False: it does not fit. */
static bool decode(struct bytes from, char *to, size_t size, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        uint8_t c = from.at[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && i + 2 < from.len && hex_digit(from.at[i + 1]) >= 0 &&
                   hex_digit(from.at[i + 2]) >= 0) {
            c = (uint8_t)(hex_digit(from.at[i + 1]) * 16 + hex_digit(from.at[i + 2]));
            i += 2;
        }
        if (len + 1 >= size)
            return false;
        to[len++] = (char)c;
    }
    to[len] = '\0';
    *ret_len = len;
    return true;
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    json_t *utf8 = json_stringn(text, len); /* NULL: it is none */
    json_decref(utf8);
    return utf8 != NULL;
}

bool page_form_get(struct bytes form, const char *name, char *to, size_t size)
{
    while (form.len > 0) {
        size_t end = bytes_find(form, '&'), len;
        struct bytes pair = {form.at, end == SIZE_MAX ? form.len : end};
        size_t equals = bytes_find(pair, '=');
        size_t used = pair.len + (end == SIZE_MAX ? 0 : 1);
        form = (struct bytes){form.at + used, form.len - used};
        if (equals == SIZE_MAX || !bytes_equal((struct bytes){pair.at, equals}, bytes_of(name)))
            continue;
        pair = (struct bytes){pair.at + equals + 1, pair.len - equals - 1};
        if (decode(pair, to, size, &len) && is_plain(to, len))
            return true;
        break;
    }
    to[0] = '\0';
    return false;
}

void page_form_target(struct bytes target, struct bytes *ret_path, struct bytes *ret_query)
{
    size_t mark = bytes_find(target, '?');
    *ret_path = (struct bytes){target.at, mark == SIZE_MAX ? target.len : mark};
    *ret_query = mark == SIZE_MAX ? (struct bytes){target.at + target.len, 0}
                                  : (struct bytes){target.at + mark + 1, target.len - mark - 1};
}
