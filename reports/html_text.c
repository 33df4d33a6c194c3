#include "reports/html_text.h"

#define REPLACEMENT 0xFFFDu

/* A character that a page may show as it stands. */
static bool shown(uint32_t c)
{
    if (c < 0x20)
        return c == '\t' || c == '\n';
    bool control = c >= 0x7F && c < 0xA0;
    bool turns = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E ||
                 c == 0x200F || c == 0x061C;
    bool none = (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF) || c == 0xFEFF;
    return !control && !turns && !none;
}

/* RFC 3629: no overlong form, no surrogate, nothing past U+10FFFF. */
uint32_t html_decode(struct bytes from, size_t *at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (*at >= from.len)
        return 0;
    uint8_t first = from.at[(*at)++];
    size_t more = first < 0x80             ? 0
                  : (first & 0xE0) == 0xC0 ? 1
                  : (first & 0xF0) == 0xE0 ? 2
                  : (first & 0xF8) == 0xF0 ? 3
                                           : SIZE_MAX;
    if (more == SIZE_MAX || more > from.len - *at)
        return REPLACEMENT;
    uint32_t c = more == 0 ? first : first & (0x3Fu >> more);
    for (size_t i = 0; i < more; i++) {
        uint8_t next = from.at[*at + i];
        if ((next & 0xC0) != 0x80)
            return REPLACEMENT;
        c = (c << 6) | (next & 0x3Fu);
    }
    if (c < least[more + 1] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return REPLACEMENT;
    *at += more;
    return shown(c) ? c : REPLACEMENT;
}

static void add_raw(struct text *to, struct bytes from, size_t begin, size_t end)
{
    text_add_bytes(to, (struct bytes){from.at + begin, end - begin});
}

static const char *reference(uint32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Bytes from ${at} on whose character stands as it is are added in one go; returns where they end.
 */
static size_t add_plain(struct text *to, struct bytes from, size_t at, bool (*special)(uint32_t c),
                        uint32_t *ret)
{
    size_t begin = at, end = at;
    *ret = 0;
    while (at < from.len) {
        uint32_t c = html_decode(from, &at);
        if (special(c)) {
            *ret = c;
            break;
        }
        end = at;
    }
    add_raw(to, from, begin, end);
    return at;
}

static bool special_html(uint32_t c)
{
    return c == REPLACEMENT || reference(c) != NULL;
}

static bool special_json(uint32_t c)
{
    return c == REPLACEMENT || c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' ||
           c == '&' || c == 0x2028 || c == 0x2029;
}

void html_bytes(struct text *to, struct bytes from)
{
    for (size_t at = 0; at < from.len;) {
        uint32_t c = 0;
        at = add_plain(to, from, at, special_html, &c);
        if (c != 0)
            text_add(to, "%s", c == REPLACEMENT ? "\xEF\xBF\xBD" : reference(c));
    }
}

void html_text(struct text *to, const char *from)
{
    if (from != NULL)
        html_bytes(to, bytes_of(from));
}

void html_attr(struct text *to, const char *name, const char *value)
{
    text_add(to, " %s=\"", name);
    html_text(to, value);
    text_add(to, "\"");
}

static size_t count_characters(struct bytes of)
{
    size_t count = 0;
    for (size_t at = 0; at < of.len; count++)
        (void)html_decode(of, &at);
    return count;
}

bool html_is_long(const char *name)
{
    return count_characters(bytes_of(name)) > NAME_SHOWN;
}

void html_cut(struct text *to, const char *name)
{
    struct bytes from = bytes_of(name);
    size_t count = count_characters(from), at = 0, head = 0, tail = 0;
    const size_t before = (NAME_SHOWN - 1) / 2, after = NAME_SHOWN - 1 - before;
    if (count <= NAME_SHOWN) {
        html_text(to, name);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (i == before)
            head = at;
        if (i == count - after)
            tail = at;
        (void)html_decode(from, &at);
    }
    html_bytes(to, (struct bytes){from.at, head});
    text_add(to, "\xE2\x80\xA6");
    html_bytes(to, (struct bytes){from.at + tail, from.len - tail});
}

void html_name(struct text *to, const char *name)
{
    if (!html_is_long(name)) {
        html_text(to, name);
        return;
    }
    text_add(to, "<span");
    html_attr(to, "title", name);
    text_add(to, ">");
    html_cut(to, name);
    text_add(to, "</span>");
}

void html_json(struct text *to, const char *from)
{
    struct bytes of = from == NULL ? (struct bytes){NULL, 0} : bytes_of(from);
    text_add(to, "\"");
    for (size_t at = 0; at < of.len;) {
        uint32_t c = 0;
        at = add_plain(to, of, at, special_json, &c);
        if (c != 0)
            text_add(to, "\\u%04x", (unsigned)c);
    }
    text_add(to, "\"");
}

void html_count(struct text *to, uint64_t n)
{
    char grouped[32];
    text_add(to, "%s", text_grouped(n, grouped, sizeof(grouped)));
}

void html_fixed(struct text *to, int64_t value, unsigned decimals)
{
    uint64_t n = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, unit = 1;
    for (; decimals > 0 && n % 10 == 0; decimals--)
        n /= 10;
    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    text_add(to, "%s%llu", value < 0 ? "-" : "", (unsigned long long)(n / unit));
    if (decimals > 0)
        text_add(to, ".%0*llu", (int)decimals, (unsigned long long)(n % unit));
}
