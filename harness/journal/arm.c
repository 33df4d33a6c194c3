#include "journal/arm.h"

#include <string.h>

static bool has_prefix(const char *arm)
{
    return arm != NULL && strncmp(arm, ARM_PREFIX, sizeof(ARM_PREFIX) - 1) == 0;
}

bool arm_is_subject(const char *arm)
{
    return has_prefix(arm) || (arm != NULL && strcmp(arm, ARM_SUBJECT) == 0);
}

const char *arm_shown(const char *arm)
{
    return has_prefix(arm) ? arm + sizeof(ARM_PREFIX) - 1 : arm;
}
