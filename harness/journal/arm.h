#ifndef JOURNAL_ARM_H
#define JOURNAL_ARM_H

/* Whose a process or a phase of the journal is: the subject's, the subject's of one mesh of several
 * ("arm:linkerd", scenario-language.md 1.2 "Arms", harness/adr/0021), or a control's. */

#include <stdbool.h>

#define ARM_SUBJECT "subject"
#define ARM_PREFIX "arm:"

/* What was run is what was asked about; false for a control, and for NULL or "" (the run's own). */
bool arm_is_subject(const char *arm);
/* As people write it: "linkerd" of "arm:linkerd", other names as they are. NULL: NULL. Borrowed. */
const char *arm_shown(const char *arm);

#endif
