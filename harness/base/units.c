#include "base/units.h"

#include "base/clock.h"

#include <ctype.h>
#include <string.h>

struct unit_row {
    const char *name;
    uint64_t factor;
};

static const struct unit_row duration_units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
};
static const struct unit_row size_units[] = {
    {"B", 1},         {"kB", 1000},       {"KiB", 1024},       {"MB", 1000000},
    {"MiB", 1048576}, {"GB", 1000000000}, {"GiB", 1073741824},
};
static const struct unit_row bit_units[] = {
    {"bit", 1},
    {"kbit", 1000},
    {"Mbit", 1000000},
    {"Gbit", 1000000000},
};

/* Digits at *at, moved past them; false on none or on overflow. */
static bool digits(const char **at, uint64_t *ret)
{
    uint64_t value = 0;
    const char *p = *at;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *at = p;
    *ret = value;
    return true;
}

/* Letters at *at that name a unit, moved past them; NULL when there is no such unit. */
static const struct unit_row *unit(const char **at, const struct unit_row *rows, size_t count)
{
    size_t len = 0;
    while (isalpha((unsigned char)(*at)[len]))
        len++;
    for (size_t i = 0; i < count; i++) {
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, *at, len) == 0) {
            *at += len;
            return &rows[i];
        }
    }
    return NULL;
}

static bool scale(uint64_t number, uint64_t factor, uint64_t *ret)
{
    if (factor != 0 && number > UINT64_MAX / factor)
        return false;
    *ret = number * factor;
    return true;
}

static bool add(uint64_t *to, uint64_t more)
{
    if (*to > UINT64_MAX - more)
        return false;
    *to += more;
    return true;
}

static bool bad(const char *text, const char *wanted, struct error *err)
{
    char shown[64];
    size_t n = 0;
    for (; text[n] != '\0' && n + 1 < sizeof(shown); n++)
        shown[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
    shown[n] = '\0';
    return error_set(err, ERROR_INPUT, "is \"%s\"; it must be %s", shown, wanted);
}

bool units_parse_duration(const char *text, uint64_t *ret_ns, struct error *err)
{
    static const char wanted[] = "a duration such as \"250ms\" or \"1m30s\"";
    const char *p = text;
    uint64_t total = 0, last = UINT64_MAX;
    do {
        uint64_t number, part;
        const struct unit_row *u;
        if (!digits(&p, &number) ||
            (u = unit(&p, duration_units, COUNT_OF(duration_units))) == NULL)
            return bad(text, wanted, err);
        if (u->factor >= last || !scale(number, u->factor, &part) || !add(&total, part))
            return bad(text, wanted, err);
        last = u->factor;
    } while (*p != '\0');
    *ret_ns = total;
    return true;
}

/* Up to ${places} decimals as an integer of that many places: "0.25", 3 -> 250. */
static bool decimals(const char **at, int places, uint64_t *ret)
{
    uint64_t value = 0;
    const char *p = *at;
    int n = 0;
    for (; isdigit((unsigned char)*p); p++, n++) {
        if (n == places)
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (n == 0)
        return false;
    for (; n < places; n++)
        value *= 10;
    *at = p;
    *ret = value;
    return true;
}

bool units_parse_share(const char *text, uint64_t *ret_ppm, struct error *err)
{
    static const char wanted[] = "a share such as \"30%\"";
    const char *p = text;
    uint64_t whole, part = 0;
    if (!digits(&p, &whole) || whole > 100)
        return bad(text, wanted, err);
    if (*p == '.') {
        p++;
        if (!decimals(&p, 3, &part))
            return bad(text, wanted, err);
    }
    if (strcmp(p, "%") != 0 || whole * 10000 + part * 10 > 1000000)
        return bad(text, wanted, err);
    *ret_ppm = whole * 10000 + part * 10;
    return true;
}

bool units_parse_rate(const char *text, uint64_t *ret_per_h, struct error *err)
{
    static const char wanted[] = "a rate such as \"200/s\"";
    static const struct unit_row per[] = {{"s", 3600}, {"m", 60}, {"h", 1}};
    const char *p = text;
    uint64_t number;
    const struct unit_row *u;
    if (!digits(&p, &number) || *p++ != '/' || (u = unit(&p, per, COUNT_OF(per))) == NULL ||
        *p != '\0')
        return bad(text, wanted, err);
    if (!scale(number, u->factor, ret_per_h))
        return bad(text, wanted, err);
    return true;
}

bool units_parse_size(const char *text, uint64_t *ret_bytes, struct error *err)
{
    const char *p = text;
    uint64_t number;
    const struct unit_row *u;
    if (!digits(&p, &number) || (u = unit(&p, size_units, COUNT_OF(size_units))) == NULL ||
        *p != '\0' || !scale(number, u->factor, ret_bytes))
        return bad(text, "a size such as \"64KiB\"", err);
    return true;
}

bool units_parse_byterate(const char *text, uint64_t *ret_bytes_per_s, struct error *err)
{
    static const char wanted[] = "a byte rate such as \"64KiB/s\" or \"1Mbit\"";
    const char *p = text;
    uint64_t number, total;
    const struct unit_row *u;
    if (!digits(&p, &number))
        return bad(text, wanted, err);
    if ((u = unit(&p, bit_units, COUNT_OF(bit_units))) != NULL) {
        if (*p != '\0' || !scale(number, u->factor, &total))
            return bad(text, wanted, err);
        *ret_bytes_per_s = total / 8;
        return true;
    }
    if ((u = unit(&p, size_units, COUNT_OF(size_units))) == NULL || strcmp(p, "/s") != 0 ||
        !scale(number, u->factor, &total))
        return bad(text, wanted, err);
    *ret_bytes_per_s = total;
    return true;
}

bool units_parse_go_duration(const char *text, uint64_t *ret_ns, struct error *err)
{
    static const char wanted[] = "a duration such as \"1.5s\" or \"1m30s\"";
    const char *p = text;
    uint64_t total = 0;
    if (strcmp(p, "0") == 0) {
        *ret_ns = 0;
        return true;
    }
    do {
        uint64_t number, part, fraction = 0;
        const struct unit_row *u;
        if (!digits(&p, &number))
            return bad(text, wanted, err);
        if (*p == '.') {
            p++;
            if (!decimals(&p, 9, &fraction))
                return bad(text, wanted, err);
        }
        u = unit(&p, duration_units, COUNT_OF(duration_units) - 1); /* Go has no days */
        if (u == NULL || !scale(number, u->factor, &part) || !add(&total, part))
            return bad(text, wanted, err);
        /* fraction < 1e9 and factor <= 3.6e12: split so that the product stays below 2^64 */
        if (!add(&total, u->factor >= NS_PER_S ? fraction * (u->factor / NS_PER_S)
                                               : fraction * u->factor / NS_PER_S))
            return bad(text, wanted, err);
    } while (*p != '\0');
    *ret_ns = total;
    return true;
}

bool units_parse_gep_duration(const char *text, uint64_t *ret_ns, struct error *err)
{
    static const char wanted[] = "a Gateway API duration such as \"500ms\" or \"1m30s\" (GEP-2257)";
    const char *p = text;
    uint64_t total = 0;
    for (int parts = 0; parts == 0 || *p != '\0'; parts++) {
        uint64_t number, part;
        const char *start = p;
        const struct unit_row *u;
        if (parts == 4 || !digits(&p, &number) || p - start > 5)
            return bad(text, wanted, err);
        u = unit(&p, duration_units + 2, 4); /* ms s m h */
        if (u == NULL || !scale(number, u->factor, &part) || !add(&total, part))
            return bad(text, wanted, err);
    }
    *ret_ns = total;
    return true;
}

const char *units_print_duration(uint64_t ns, char *to, size_t size)
{
    static const struct unit_row rows[] = {
        {"d", 86400 * NS_PER_S},
        {"h", 3600 * NS_PER_S},
        {"m", 60 * NS_PER_S},
        {"s", NS_PER_S},
        {"ms", NS_PER_MS},
        {"us", NS_PER_US},
        {"ns", 1},
    };
    size_t used = 0;
    if (ns == 0) {
        snprintf(to, size, "0ms");
        return to;
    }
    for (size_t i = 0; i < COUNT_OF(rows) && ns > 0; i++) {
        uint64_t n = ns / rows[i].factor;
        if (n == 0)
            continue;
        int m = snprintf(to + used, size - used, "%llu%s", (unsigned long long)n, rows[i].name);
        if (m < 0 || (size_t)m >= size - used)
            break;
        used += (size_t)m;
        ns %= rows[i].factor;
    }
    return to;
}

const char *units_print_share(uint64_t ppm, char *to, size_t size)
{
    unsigned long long whole = ppm / 10000, part = ppm % 10000 / 10;
    if (part == 0)
        snprintf(to, size, "%llu%%", whole);
    else if (part % 100 == 0)
        snprintf(to, size, "%llu.%llu%%", whole, part / 100);
    else if (part % 10 == 0)
        snprintf(to, size, "%llu.%02llu%%", whole, part / 10);
    else
        snprintf(to, size, "%llu.%03llu%%", whole, part);
    return to;
}

const char *units_print_rate(uint64_t per_h, char *to, size_t size)
{
    if (per_h % 3600 == 0)
        snprintf(to, size, "%llu/s", (unsigned long long)(per_h / 3600));
    else if (per_h % 60 == 0)
        snprintf(to, size, "%llu/m", (unsigned long long)(per_h / 60));
    else
        snprintf(to, size, "%llu/h", (unsigned long long)per_h);
    return to;
}

const char *units_print_size(uint64_t bytes, char *to, size_t size)
{
    static const struct unit_row rows[] = {{"GiB", 1073741824}, {"MiB", 1048576}, {"KiB", 1024}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (bytes > 0 && bytes % rows[i].factor == 0) {
            snprintf(to, size, "%llu%s", (unsigned long long)(bytes / rows[i].factor),
                     rows[i].name);
            return to;
        }
    }
    snprintf(to, size, "%lluB", (unsigned long long)bytes);
    return to;
}

const char *units_print_time(uint64_t ns, char *to, size_t size)
{
    unsigned long long ms = ns / NS_PER_MS;
    unsigned long long h = ms / 3600000, m = ms / 60000 % 60, s = ms / 1000 % 60;
    if (h > 0)
        snprintf(to, size, "%llu:%02llu:%02llu.%03llu", h, m, s, ms % 1000);
    else
        snprintf(to, size, "%02llu:%02llu.%03llu", m, s, ms % 1000);
    return to;
}
