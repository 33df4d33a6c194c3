#ifndef JOURNAL_ALIGN_H
#define JOURNAL_ALIGN_H

/* The times of processes whose clock is not the conductor's, put where they were on that, by the
 * nearest of the measured offsets, so that rows fall into the phases they belong to. Which clocks
 * agree stands in the clock rows as before: what is subtracted needs one clock, not this. */

#include "journal/journal.h"

struct clocks;

/* By the clock rows of ${j}, as they were stamped and in order. */
struct clocks *clocks_new(const struct journal *j);
void clocks_free(struct clocks *c);
/* The furthest that any of them is from the conductor's; 0: all are one. */
uint64_t clocks_most_ns(const struct clocks *c);
/* A row of ${proc}: its times are put on the conductor's clock. */
void clocks_align(const struct clocks *c, uint32_t proc, const struct record_type *type,
                  uint8_t *row);
/* All rows of all kinds. */
void clocks_align_all(const struct clocks *c, struct journal *j);

#endif
