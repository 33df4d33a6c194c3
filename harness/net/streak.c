#include "net/streak.h"

void streak_end(struct streak *s, bool failed)
{
    s->failed[s->ended % STREAK_HISTORY] = failed ? 1 : 0;
    s->ended++;
    s->run = failed ? s->run + (s->run < UINT32_MAX ? 1 : 0) : 0;
}

bool streak_withholds(const struct streak *s, uint32_t limit, uint32_t others)
{
    uint64_t known = s->ended < STREAK_HISTORY ? s->ended : STREAK_HISTORY;
    uint32_t run = 0, successes = 0;
    for (uint64_t i = s->ended - known; i != s->ended; i++) {
        if (s->failed[i % STREAK_HISTORY] != 0) {
            run++;
            successes = 0;
        } else {
            successes++;
            if (run + 1 < limit || successes >= 2)
                run = 0;
        }
    }
    if (run < s->run)
        run = s->run; /* longer than the ring */
    return (uint64_t)run + others + 1 >= limit;
}
