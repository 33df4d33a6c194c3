#include "live/live_text.h"

struct range {
    uint32_t first, last;
};

/* Controls, marks that join what stands before them, what has no width, what turns the direction:
 * none of them may come from a name. */
static const struct range inert[] = {
    {0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},       {0x300, 0x36F},     {0x483, 0x489},
    {0x591, 0x5C7},   {0x600, 0x605},   {0x610, 0x61C},     {0x64B, 0x65F},     {0x6D6, 0x6ED},
    {0x70F, 0x70F},   {0x7EB, 0x7F3},   {0x816, 0x823},     {0x8D3, 0x903},     {0x93A, 0x94F},
    {0xE31, 0xE31},   {0xE34, 0xE3A},   {0xE47, 0xE4E},     {0x115F, 0x1160},   {0x135D, 0x135F},
    {0x180B, 0x180F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},   {0x200B, 0x200F},   {0x2028, 0x202E},
    {0x2060, 0x206F}, {0x20D0, 0x20FF}, {0x302A, 0x302F},   {0x3099, 0x309A},   {0x3164, 0x3164},
    {0xD800, 0xDFFF}, {0xE000, 0xF8FF}, {0xFE00, 0xFE0F},   {0xFE20, 0xFE2F},   {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFF}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF}};
static const struct range wide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
    {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26AA, 0x26AB},
    {0x26BD, 0x26BE},   {0x2705, 0x2705},   {0x2728, 0x2728},   {0x274C, 0x274C},
    {0x2753, 0x2757},   {0x2B1B, 0x2B1C},   {0x2E80, 0x303E},   {0x3041, 0x4DBF},
    {0x4E00, 0xA4CF},   {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6B},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18CFF},
    {0x1B000, 0x1B2FF}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F19A},
    {0x1F200, 0x1FAFF}, {0x20000, 0x3FFFD}};

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* The bytes of one character; 0: not UTF-8. Stops at a NUL. */
static size_t decode(const char *at, uint32_t *ret)
{
    const uint8_t *p = (const uint8_t *)at;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7FU >> n);
    if (p[0] >= 0x80 && (p[0] < 0xC2 || p[0] >= 0xF5))
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    *ret = c;
    return c < least[n] || c > 0x10FFFF ? 0 : n;
}

void live_clean(char *to, size_t size, const char *from)
{
    size_t used = 0;
    for (; from != NULL && *from != '\0';) {
        uint32_t c = 0;
        size_t n = decode(from, &c);
        bool good = n > 0 && !is_in(inert, COUNT_OF(inert), c);
        size_t taken = good ? n : 1;
        if (used + taken >= size)
            break;
        if (good)
            memcpy(to + used, from, n);
        else
            to[used] = '?';
        used += taken;
        from += n == 0 ? 1 : n;
    }
    to[used] = '\0';
}

size_t live_character(const char *at, size_t *ret_columns)
{
    uint32_t c = 0;
    size_t n = decode(at, &c);
    *ret_columns = n > 0 && is_in(wide, COUNT_OF(wide), c) ? 2 : 1;
    return n == 0 ? 1 : n;
}

size_t live_columns(const char *text)
{
    size_t columns = 0, one;
    while (*text != '\0') {
        text += live_character(text, &one);
        columns += one;
    }
    return columns;
}
