#ifndef ENGINE_FOLDER_H
#define ENGINE_FOLDER_H

/* A private folder for a mesh's configuration and logs, made before it starts and removed with all
 * that is in it. */

#include "base/error.h"

/* "${TMPDIR}/meshproof-${run}-XXXXXX", mode 0700; the heap string is the caller's to free. */
bool folder_new(const char *run, char **ret, struct error *err) WARN_UNUSED;
/* Removes it; never follows a link out of it. A folder that is not there is fine. */
void folder_remove(const char *path);

#endif
