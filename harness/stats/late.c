#include "stats/late.h"

#include "stats/exact.h"

#define NEEDED_MOST UINT64_C(1000000)

static enum late_verdict judge(uint64_t x, uint64_t n, double tail, double a)
{
    if (n == 0)
        return LATE_UNDECIDED;
    if (x == 0)
        return LATE_PASS;
    if (tail <= a / 2)
        return LATE_FAIL;
    return x <= n / 10 && tail > 0.01 ? LATE_PASS : LATE_UNDECIDED;
}

struct late late_test(uint64_t x, uint64_t n, uint64_t x_c, uint64_t n_c, double a)
{
    struct late ret = {.p_hi = exact_share_hi(x_c, n_c, a / 2)};
    ret.tail = exact_binom_tail_ge(x, n, ret.p_hi);
    ret.verdict = x > 0 && n_c == 0 ? LATE_UNDECIDED : judge(x, n, ret.tail, a);
    if (ret.verdict != LATE_UNDECIDED || (x > 0 && n_c == 0))
        return ret;
    uint64_t times = n == 0 ? 1 : 2;
    for (uint64_t more = n == 0 ? 1 : n * 2; more <= NEEDED_MOST; more *= 2, times *= 2) {
        double tail = exact_binom_tail_ge(x * times, more, ret.p_hi);
        if (judge(x * times, more, tail, a) != LATE_UNDECIDED) {
            ret.needed = more;
            break;
        }
    }
    return ret;
}
