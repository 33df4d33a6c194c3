#ifndef STATS_EXACT_H
#define STATS_EXACT_H

/* Exact bounds for counts (spec/verifier.md 5.1): binomial, Poisson, Clopper-Pearson, DKW, order
 * statistics. No normal approximation: at a = 1e-8 it is wrong by orders of magnitude. n to 1e6,
 * where a tail's relative error is below 1e-7 (lgamma's). No I/O, no clock. */

#include <stdbool.h>
#include <stdint.h>

/* ln (n over k); k <= n. */
double exact_lbinom(uint64_t n, uint64_t k);
/* P(Bin(n, p) >= x) and P(Bin(n, p) <= x). */
double exact_binom_tail_ge(uint64_t x, uint64_t n, double p);
double exact_binom_tail_le(uint64_t x, uint64_t n, double p);
/* Clopper-Pearson, one-sided at level ${a}: the p above (below) which x of n would be that rare. A
 * bound is rounded to the safe side; n = 0 says nothing: 1 and 0. */
double exact_share_hi(uint64_t x, uint64_t n, double a);
double exact_share_lo(uint64_t x, uint64_t n, double a);
/* P(Poisson(mu) >= x). */
double exact_poisson_tail_ge(uint64_t x, double mu);
/* One-sided Dvoretzky-Kiefer-Wolfowitz band of n samples, for a <= 0.5; 1 for n = 0. */
double exact_dkw_eps(uint64_t n, double a);
/* Ranks (from 1, ascending) of the samples that bound quantile ${q} from below and from above at
 * level
 * ${a}; false when n is too small to bound it. */
bool exact_quantile_lo(uint64_t n, double q, double a, uint64_t *ret_rank);
bool exact_quantile_hi(uint64_t n, double q, double a, uint64_t *ret_rank);

#endif
