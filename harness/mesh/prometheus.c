#include "mesh/prometheus.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_MOST 48

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(struct bytes *rest)
{
    while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\t')) {
        rest->at++;
        rest->len--;
    }
}

static bool take_byte(struct bytes *rest, uint8_t byte)
{
    if (rest->len == 0 || rest->at[0] != byte)
        return false;
    rest->at++;
    rest->len--;
    return true;
}

/* [a-zA-Z_:][a-zA-Z0-9_:]* */
static bool take_name(struct bytes *rest, struct bytes *ret)
{
    size_t len = 0;
    while (len < rest->len && (is_letter(rest->at[len]) || (len > 0 && is_digit(rest->at[len]))))
        len++;
    *ret = (struct bytes){rest->at, len};
    rest->at += len;
    rest->len -= len;
    return len > 0;
}

/* Up to the closing quote; a backslash takes the byte after it along. */
static bool take_quoted(struct bytes *rest, struct bytes *ret)
{
    if (!take_byte(rest, '"'))
        return false;
    size_t len = 0;
    while (len < rest->len && rest->at[len] != '"')
        len += rest->at[len] == '\\' ? 2 : 1;
    if (len >= rest->len)
        return false;
    *ret = (struct bytes){rest->at, len};
    rest->at += len + 1;
    rest->len -= len + 1;
    return true;
}

/* After '{'; a comma before '}' is allowed. */
static bool take_labels(struct bytes *rest, struct prometheus_sample *s)
{
    for (skip_blanks(rest); !take_byte(rest, '}'); skip_blanks(rest)) {
        if (s->label_count == PROMETHEUS_LABELS_MOST)
            return false;
        struct prometheus_label *label = &s->labels[s->label_count];
        if (!take_name(rest, &label->name))
            return false;
        skip_blanks(rest);
        if (!take_byte(rest, '='))
            return false;
        skip_blanks(rest);
        if (!take_quoted(rest, &label->value))
            return false;
        s->label_count++;
        skip_blanks(rest);
        if (!take_byte(rest, ',') && (rest->len == 0 || rest->at[0] != '}'))
            return false;
    }
    return true;
}

static bool is_number(const char *text)
{
    if (*text == '+' || *text == '-')
        text++;
    if (strcmp(text, "Inf") == 0 || strcmp(text, "NaN") == 0)
        return true;
    for (const char *c = text; *c != '\0'; c++) /* no 0x, nan(...) and infinity of strtod's */
        if (!is_digit((uint8_t)*c) && strchr("+-.eE", *c) == NULL)
            return false;
    return *text != '\0';
}

/* "17", "4.2e+06", "+Inf", "NaN". The program's locale is "C". */
static bool take_number(struct bytes *rest, double *ret)
{
    char text[NUMBER_MOST], *end;
    size_t len = 0;
    while (len < rest->len && rest->at[len] != ' ' && rest->at[len] != '\t')
        len++;
    if (len == 0 || len >= sizeof(text) || memchr(rest->at, '\0', len) != NULL)
        return false;
    memcpy(text, rest->at, len);
    text[len] = '\0';
    if (!is_number(text))
        return false;
    *ret = strtod(text, &end);
    rest->at += len;
    rest->len -= len;
    return *end == '\0';
}

/* What follows the value, a time or an exemplar, is not asked. */
static bool parse_sample(struct bytes line, struct prometheus_sample *ret)
{
    ret->label_count = 0;
    if (!take_name(&line, &ret->name))
        return false;
    skip_blanks(&line);
    if (take_byte(&line, '{') && !take_labels(&line, ret))
        return false;
    skip_blanks(&line);
    return take_number(&line, &ret->value);
}

bool prometheus_parse(struct bytes text,
                      void (*on_sample)(void *cookie, const struct prometheus_sample *sample),
                      void *cookie, struct error *err)
{
    struct prometheus_sample sample;
    for (size_t number = 1; text.len > 0; number++) {
        size_t end = bytes_find(text, '\n'), len = end == SIZE_MAX ? text.len : end;
        struct bytes line = {text.at, len};
        size_t used = end == SIZE_MAX ? len : len + 1;
        text.at += used;
        text.len -= used;
        if (len > PROMETHEUS_LINE_MOST_BYTES)
            return error_set(err, ERROR_LIMIT, "line %zu has %zu bytes; at most %zu are allowed",
                             number, len, PROMETHEUS_LINE_MOST_BYTES);
        if (len > 0 && line.at[len - 1] == '\r')
            line.len--;
        skip_blanks(&line);
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (!parse_sample(line, &sample))
            return error_set(err, ERROR_INPUT,
                             "line %zu is no sample of the Prometheus text format", number);
        on_sample(cookie, &sample);
    }
    return true;
}

struct bytes prometheus_label(const struct prometheus_sample *s, const char *name)
{
    for (size_t i = 0; i < s->label_count; i++)
        if (bytes_equal(s->labels[i].name, bytes_of(name)))
            return s->labels[i].value;
    return (struct bytes){0};
}
