#include "base/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t clock_thread_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

const char *clock_print_wall(uint64_t wall_s, char to[CLOCK_TEXT_BYTES])
{
    time_t at = (time_t)wall_s;
    struct tm tm;
    to[0] = '\0';
    if (gmtime_r(&at, &tm) != NULL)
        strftime(to, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return to;
}
