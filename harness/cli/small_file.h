#ifndef CLI_SMALL_FILE_H
#define CLI_SMALL_FILE_H

/* A file that a user wrote by hand, whole. */

#include "base/bytes.h"

#define SMALL_FILE_MOST_BYTES ((size_t)1 << 20)

/* ${ret} is the caller's to release, in either case. */
bool small_file_read(const char *path, struct buffer *ret, struct error *err) WARN_UNUSED;

#endif
