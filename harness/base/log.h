#ifndef BASE_LOG_H
#define BASE_LOG_H

/* The tool talking about itself, on stderr: "level module: sentence". Evidence goes to the journal,
 * never here. Library layers log at debug only. No secrets, no header values. */

#include "base/check.h"

enum log_level { LOG_QUIET, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
void log_error(const char *module, const char *format, ...) PRINTF(2, 3);
void log_warn(const char *module, const char *format, ...) PRINTF(2, 3);
void log_info(const char *module, const char *format, ...) PRINTF(2, 3);
void log_debug(const char *module, const char *format, ...) PRINTF(2, 3);

#endif
