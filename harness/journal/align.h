#ifndef JOURNAL_ALIGN_H
#define JOURNAL_ALIGN_H

/* Times of processes on another clock, put on the conductor's (journal_align). */

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
