#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>

void text_init(struct text *t, size_t max_bytes)
{
    *t = (struct text){.max_bytes = max_bytes};
}

void text_release(struct text *t)
{
    free(t->at);
    *t = (struct text){.max_bytes = t->max_bytes};
}

void text_clear(struct text *t)
{
    t->len = 0;
    t->full = false;
    if (t->at != NULL)
        t->at[0] = '\0';
}

static bool grow(struct text *t, size_t more)
{
    if (t->full || more > t->max_bytes || t->len > t->max_bytes - more) {
        t->full = true;
        return false;
    }
    size_t need = t->len + more + 1;
    if (need > t->capacity) {
        size_t capacity = t->capacity == 0 ? 128 : t->capacity;
        while (capacity < need)
            capacity *= 2;
        t->at = check_realloc(t->at, capacity);
        t->capacity = capacity;
    }
    return true;
}

void text_add_bytes(struct text *t, struct bytes b)
{
    if (!grow(t, b.len))
        return;
    if (b.len > 0)
        memcpy(t->at + t->len, b.at, b.len);
    t->len += b.len;
    t->at[t->len] = '\0';
}

void text_add(struct text *t, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof(small)) {
        text_add_bytes(t, (struct bytes){(const uint8_t *)small, (size_t)n});
        return;
    }
    if (!grow(t, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(t->at + t->len, (size_t)n + 1, format, args);
    va_end(args);
    t->len += (size_t)n;
}

void text_add_clean(struct text *t, const char *words)
{
    for (const uint8_t *c = (const uint8_t *)words; *c != '\0'; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
        c += c1 ? 1 : 0;
        text_add_bytes(t, c1 || *c < ' ' || *c == 0x7f ? BYTES("?") : (struct bytes){c, 1});
    }
}

void text_pad(struct text *t, size_t line, size_t column, size_t least)
{
    size_t at = t->len - line, blanks = at < column ? column - at : 0;
    text_add(t, "%*s", (int)(blanks > least ? blanks : least), "");
}

const char *text_get(const struct text *t)
{
    return t->at == NULL ? "" : t->at;
}

char *text_take(struct text *t)
{
    char *taken = t->at == NULL ? check_strdup("") : t->at;
    *t = (struct text){.max_bytes = t->max_bytes};
    return taken;
}

bool text_glob(struct bytes of, struct bytes glob)
{
    size_t i = 0, g = 0, star = SIZE_MAX, star_i = 0, wide = SIZE_MAX, wide_i = 0;
    while (i < of.len) {
        if (g < glob.len && glob.at[g] == '*') {
            bool across = g + 1 < glob.len && glob.at[g + 1] == '*';
            if (across) {
                g += 2;
                wide = g;
                wide_i = i;
                star = SIZE_MAX;
            } else {
                g++;
                star = g;
                star_i = i;
            }
        } else if (g < glob.len && glob.at[g] == of.at[i]) {
            g++;
            i++;
        } else if (star != SIZE_MAX && of.at[star_i] != '/') {
            i = ++star_i;
            g = star;
        } else if (wide != SIZE_MAX) {
            i = ++wide_i;
            g = wide;
            star = SIZE_MAX;
        } else {
            return false;
        }
    }
    while (g < glob.len && glob.at[g] == '*')
        g++;
    return g == glob.len;
}

static size_t distance(const char *a, const char *b)
{
    size_t row[33];
    size_t n = strlen(a), m = strlen(b);
    if (n > 32 || m > 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j];
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            best = up + 1 < best ? up + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = up;
            row[j] = best;
        }
    }
    return row[m];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i]);
        if (d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

const char *text_grouped(uint64_t number, char *to, size_t size)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    size_t out = 0;
    for (int i = 0; i < n && out + 2 < size; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            to[out++] = ' ';
        to[out++] = digits[i];
    }
    to[out] = '\0';
    return to;
}
