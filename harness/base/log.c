#include "base/log.h"

#include "base/outlet.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level threshold = LOG_WARN;

void log_set_level(enum log_level level)
{
    threshold = level;
}

PRINTF_LIST(4)
static void print(enum log_level level, const char *name, const char *module, const char *format,
                  va_list args)
{
    char line[512];
    if (level > threshold)
        return;
    int n = snprintf(line, sizeof(line), "%s %s: ", name, module);
    if (n < 0)
        return;
    vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
    outlet_line(STDERR_FILENO, line);
}

#define LOG_FUNCTION(function, level) \
    void function(const char *module, const char *format, ...) \
    { \
        va_list args; \
        va_start(args, format); \
        print(level, &#function[4], module, format, args); \
        va_end(args); \
    }

LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)
