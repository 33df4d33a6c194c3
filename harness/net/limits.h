#ifndef NET_LIMITS_H
#define NET_LIMITS_H

/* What the proxy holds its peers to, in words: `meshproof proxy --help` prints it. Every number
 * comes from the constant that the code itself holds to, SETTINGS from the entries that leave. */

#include "base/text.h"

void limits_print(struct text *to);

#endif
