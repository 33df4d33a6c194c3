#ifndef CLI_FOLDERS_H
#define CLI_FOLDERS_H

#include "base/error.h"

/* Makes those of ${path} that are missing, up to its last slash: "a/b/" and "a/b/c" make a and a/b.
 */
bool folders_make(const char *path, struct error *err) WARN_UNUSED;

#endif
