#ifndef JOURNAL_LOOK_H
#define JOURNAL_LOOK_H

/* What a run of a phase is called in the journal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKS_MOST 5 /* at a phase: its walk, and four repetitions (harness/adr/0009) */
#define LOOK_NAME_MOST 256

/* "storm"; its repetitions are "storm (again)" and "storm (again, 2)". ${resumed}: the rest of one
 * after a pause, "storm (resumed)" (harness/adr/0018). Returns ${to}, which is cut at ${size}. */
const char *look_name(char *to, size_t size, const char *phase, uint32_t look, bool resumed);

#endif
