#include "stats/exact.h"

#include <math.h>

#define STOP 1e-18 /* a term below this part of the sum ends it */
#define BISECTIONS 60

double exact_lbinom(uint64_t n, uint64_t k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

static double clamp(double p)
{
    return p < 0 ? 0 : p > 1 ? 1 : p;
}

/* P(from <= Bin(n, p) <= to) for 0 < p < 1: the largest term by lgamma, its neighbours by their
 * ratio, outwards until they no longer count. */
static double binom_sum(uint64_t n, double p, uint64_t from, uint64_t to)
{
    double odds = p / (1 - p), mode = floor(((double)n + 1) * p);
    uint64_t peak = mode <= (double)from ? from : mode >= (double)to ? to : (uint64_t)mode;
    double top =
        exp(exact_lbinom(n, peak) + (double)peak * log(p) + (double)(n - peak) * log1p(-p));
    double sum = top, term = top;
    for (uint64_t k = peak; k < to && term > sum * STOP; k++) {
        term *= (double)(n - k) / (double)(k + 1) * odds;
        sum += term;
    }
    term = top;
    for (uint64_t k = peak; k > from && term > sum * STOP; k--) {
        term *= (double)k / ((double)(n - k + 1) * odds);
        sum += term;
    }
    return clamp(sum);
}

double exact_binom_tail_ge(uint64_t x, uint64_t n, double p)
{
    if (x == 0)
        return 1;
    if (x > n || p <= 0)
        return 0;
    return p >= 1 ? 1 : binom_sum(n, p, x, n);
}

double exact_binom_tail_le(uint64_t x, uint64_t n, double p)
{
    if (x >= n || p <= 0)
        return 1;
    return p >= 1 ? 0 : binom_sum(n, p, 0, x);
}

double exact_share_hi(uint64_t x, uint64_t n, double a)
{
    if (x >= n)
        return 1;
    if (x == 0)
        return -expm1(log(a) / (double)n);
    double lo = (double)x / (double)n, hi = 1;
    for (int i = 0; i < BISECTIONS; i++) {
        double p = (lo + hi) / 2;
        if (exact_binom_tail_le(x, n, p) > a)
            lo = p;
        else
            hi = p;
    }
    return hi;
}

double exact_share_lo(uint64_t x, uint64_t n, double a)
{
    if (x == 0 || n == 0)
        return 0;
    if (x >= n)
        return exp(log(a) / (double)n);
    double lo = 0, hi = (double)x / (double)n;
    for (int i = 0; i < BISECTIONS; i++) {
        double p = (lo + hi) / 2;
        if (exact_binom_tail_ge(x, n, p) > a)
            hi = p;
        else
            lo = p;
    }
    return lo;
}

/* The sum of Poisson terms from ${k} upwards (${up}) or downwards, away from the mode. */
static double poisson_side(uint64_t k, double mu, bool up)
{
    double term = exp(-mu + (double)k * log(mu) - lgamma((double)k + 1)), sum = term;
    while (term > sum * STOP && (up || k > 0)) {
        term *= up ? mu / (double)(k + 1) : (double)k / mu;
        k = up ? k + 1 : k - 1;
        sum += term;
    }
    return sum;
}

double exact_poisson_tail_ge(uint64_t x, double mu)
{
    if (x == 0)
        return 1;
    if (mu <= 0)
        return 0;
    /* each side is summed where its terms fall, so that a small tail is no difference of large ones
     */
    if ((double)x > mu)
        return clamp(poisson_side(x, mu, true));
    return clamp(1 - poisson_side(x - 1, mu, false));
}

double exact_dkw_eps(uint64_t n, double a)
{
    return n == 0 ? 1 : sqrt(log(1 / a) / (2 * (double)n));
}

bool exact_quantile_lo(uint64_t n, double q, double a, uint64_t *ret_rank)
{
    uint64_t lo = 0, hi = n; /* the largest r with P(Bin(n, q) <= r - 1) <= a lies in lo .. hi */
    while (lo < hi) {
        uint64_t r = hi - (hi - lo) / 2;
        if (exact_binom_tail_le(r - 1, n, q) <= a)
            lo = r;
        else
            hi = r - 1;
    }
    *ret_rank = lo;
    return lo > 0;
}

bool exact_quantile_hi(uint64_t n, double q, double a, uint64_t *ret_rank)
{
    uint64_t lo = 1, hi = n + 1; /* the smallest s with P(Bin(n, q) >= s) <= a lies in lo .. hi */
    while (lo < hi) {
        uint64_t s = lo + (hi - lo) / 2;
        if (exact_binom_tail_ge(s, n, q) <= a)
            hi = s;
        else
            lo = s + 1;
    }
    *ret_rank = lo;
    return lo <= n;
}
