#ifndef CLI_FAULTS_TRY_H
#define CLI_FAULTS_TRY_H

/* `meshproof faults --try HOOK --with k=v <request.txt`: one hook against a captured request (and
 * an answer behind it, or a plain 200), without sockets; prints what each function did. */

#include "base/error.h"

/* ${with}: "k=v" each. Returns the exit code; 1: the hook failed. */
int faults_try(const char *hook, const char *const *with, size_t with_count, const char *input,
               size_t len);
#define FAULTS_TRY_INPUT_MOST_BYTES ((size_t)1024 * 1024)

#endif
