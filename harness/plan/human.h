#ifndef PLAN_HUMAN_H
#define PLAN_HUMAN_H

/* What a person may answer, and what it means: the engine takes answers by these rules, and the
 * judge compares them by the same. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUMAN_ASK_MOST 300                           /* bytes of a question */
#define HUMAN_ANSWER_MOST 200                        /* bytes of an answer that is a text */
#define HUMAN_WITHIN_NS (UINT64_C(600) * 1000000000) /* of expect.human, when it says nothing */
#define HUMAN_PEOPLE_MOST 20                         /* who agree to one approval */
#define HUMAN_NAME_MOST 63                           /* bytes of a person's name, and of a role's */

enum human_kind { HUMAN_APPROVAL, HUMAN_AWAIT, HUMAN_EXPECT };
/* "approval", "await", "expect": as the journal has them. */
const char *human_kind_name(enum human_kind kind);

/* "yes", "y", "no", "n", in any case; NULL: neither. */
const char *human_yes_or_no(const char *answer);
/* Whether a question that expects ${answer} is answered by yes or no alone. */
bool human_expects_yes_or_no(const char *answer);
/* The answer says what was expected: letter case and the spaces around it aside. */
bool human_matches(const char *expected, const char *answer);
/* When and how an answer came, as people read it: "14:02:11 UTC by meshproof answer" for the
 * channel "socket"; without the way for one that is not known. */
#define HUMAN_WHEN_BYTES 48
void human_print_when(uint64_t wall_ns, const char *channel, char to[HUMAN_WHEN_BYTES]);
/* A name of a person or a role: letters, digits and .-_@ */
bool human_name_is_good(const char *name);

#endif
