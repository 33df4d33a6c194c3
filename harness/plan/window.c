#include "plan/window.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define ZONES "/usr/share/zoneinfo/"
#define ZONE_MOST 64

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* "Mon-Fri 09:00-17:00": minutes of the day, to exclusive. */
struct hours {
    int first, last, from, to;
};

static bool take_number(const char **at, size_t digits, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    return true;
}

static bool take_mark(const char **at, const char *mark)
{
    size_t len = strlen(mark);
    if (strncmp(*at, mark, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool take_day(const char **at, int *ret)
{
    for (int i = 0; i < 7; i++) {
        if (take_mark(at, days[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool take_time(const char **at, int *ret)
{
    int hour, minute;
    if (!take_number(at, 2, &hour) || !take_mark(at, ":") || !take_number(at, 2, &minute))
        return false;
    *ret = hour * 60 + minute;
    return minute < 60 && *ret <= 24 * 60;
}

static bool parse_hours(const char *text, struct hours *ret)
{
    const char *at = text;
    if (!take_day(&at, &ret->first))
        return false;
    ret->last = ret->first;
    if (take_mark(&at, "-") && !take_day(&at, &ret->last))
        return false;
    return take_mark(&at, " ") && take_time(&at, &ret->from) && take_mark(&at, "-") &&
           take_time(&at, &ret->to) && *at == '\0' && ret->from < ret->to;
}

/* "2026-12-20": a number that grows with the day. */
static bool take_date(const char **at, int *ret)
{
    int year, month, day;
    if (!take_number(at, 4, &year) || !take_mark(at, "-") || !take_number(at, 2, &month) ||
        !take_mark(at, "-") || !take_number(at, 2, &day))
        return false;
    *ret = (year * 100 + month) * 100 + day;
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static bool parse_dates(const char *text, int *from, int *to)
{
    const char *at = text;
    if (!take_date(&at, from))
        return false;
    *to = *from;
    if (*at == '\0')
        return true;
    return take_mark(&at, "..") && take_date(&at, to) && *at == '\0' && *from <= *to;
}

static const char *zone_of(const struct guard_plan *g)
{
    return g->zone != NULL ? g->zone : "UTC";
}

/* The C library takes an unknown zone for UTC without a word. */
static bool check_zone(const char *zone, struct error *err)
{
    char path[sizeof(ZONES) + ZONE_MOST];
    struct stat status;
    if (strcmp(zone, "UTC") == 0)
        return true;
    bool plain =
        zone[0] != '\0' && zone[0] != '/' && strlen(zone) < ZONE_MOST && strstr(zone, "..") == NULL;
    if (!plain)
        return error_set(err, ERROR_INPUT,
                         "zone is \"%.60s\"; it must be an IANA name such as \"Europe/Berlin\"",
                         zone);
    if (stat(ZONES "tzdata.zi", &status) != 0 && stat(ZONES "UTC", &status) != 0 &&
        stat(ZONES "Etc/UTC", &status) != 0)
        return error_set(err, ERROR_SYSTEM,
                         "zone is \"%s\", and this machine has no time zones: install tzdata, or "
                         "write zone = \"UTC\"",
                         zone);
    snprintf(path, sizeof(path), "%s%s", ZONES, zone);
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        return true;
    return error_set(err, ERROR_INPUT, "zone is \"%s\", which this machine does not know", zone);
}

bool window_check(const struct guard_plan *g, struct error *err)
{
    struct hours hours;
    int from, to;
    if (g->allow_count == 0 && g->deny_count == 0)
        return error_set(err, ERROR_INPUT, "it needs allow or deny");
    for (size_t i = 0; i < g->allow_count + g->deny_count; i++) {
        bool allow = i < g->allow_count;
        const char *text = allow ? g->allow[i] : g->deny[i - g->allow_count];
        if (!parse_hours(text, &hours) && !parse_dates(text, &from, &to))
            return error_set(err, ERROR_INPUT,
                             "%s is \"%.60s\"; it must be such as \"Mon-Fri 09:00-17:00\" or "
                             "\"2026-12-20..2027-01-03\"",
                             allow ? "allow" : "deny", text);
    }
    return check_zone(zone_of(g), err);
}

static bool holds(const char *text, const struct tm *now)
{
    struct hours h;
    int from, to;
    int today = ((now->tm_year + 1900) * 100 + now->tm_mon + 1) * 100 + now->tm_mday;
    int minute = now->tm_hour * 60 + now->tm_min;
    if (parse_dates(text, &from, &to))
        return today >= from && today <= to;
    if (!parse_hours(text, &h))
        return false;
    bool day = h.first <= h.last ? now->tm_wday >= h.first && now->tm_wday <= h.last
                                 : now->tm_wday >= h.first || now->tm_wday <= h.last;
    return day && minute >= h.from && minute < h.to;
}

static void local_time(const char *zone, time_t at, struct tm *ret)
{
    char *before = getenv("TZ");
    before = before == NULL ? NULL : check_strdup(before);
    setenv("TZ", zone, 1);
    tzset();
    localtime_r(&at, ret);
    if (before != NULL)
        setenv("TZ", before, 1);
    else
        unsetenv("TZ");
    tzset();
    free(before);
}

bool window_open(const struct guard_plan *g, uint64_t wall_ns, struct error *err)
{
    struct tm now;
    char said[40];
    bool allowed = g->allow_count == 0;
    local_time(zone_of(g), (time_t)(wall_ns / NS_PER_S), &now);
    snprintf(said, sizeof(said), "%s %04d-%02d-%02d %02d:%02d", days[now.tm_wday],
             now.tm_year + 1900, now.tm_mon + 1, now.tm_mday, now.tm_hour, now.tm_min);
    for (size_t i = 0; i < g->deny_count; i++) {
        if (holds(g->deny[i], &now))
            return error_at(err, g->source, ERROR_SYSTEM,
                            "guard.window: it is %s in %s, which deny \"%.60s\" forbids", said,
                            zone_of(g), g->deny[i]);
    }
    for (size_t i = 0; i < g->allow_count; i++)
        allowed = allowed || holds(g->allow[i], &now);
    return allowed ||
           error_at(err, g->source, ERROR_SYSTEM,
                    "guard.window: it is %s in %s, outside allow \"%.60s\"%s", said, zone_of(g),
                    g->allow[0], g->allow_count > 1 ? " and its others" : "");
}
