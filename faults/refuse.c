#include "faults/fault.h"

/* Connect refused: the kernel answers a SYN to a closed listener with RST, which no stream filter
 * could imitate (an accepted connection has already been answered). So the proxy closes the
 * listener itself. */
const struct fault_type fault_refuse = {
    .name = "refuse",
    .help = "connect refused: the endpoint's listener is closed",
    .example = "fault.refuse {}",
    .existing = EXISTING_RESET,
    .refuses = true,
};
