#ifndef WORLD_NETEM_CODEC_H
#define WORLD_NETEM_CODEC_H

/* A netem as the kernel's attributes, there and back, without loss: shares to a part per million,
 * times to a nanosecond. */

#include "world/netem.h"
#include "world/netlink_msg.h"

/* Puts TCA_KIND and TCA_OPTIONS. ${n} is resolved. */
void netem_encode(struct nl_msg *m, const struct netem *n);
/* From the value of TCA_OPTIONS. False: no netem's. ${ret_seeded}: the kernel tells a seed. */
bool netem_decode(struct bytes options, struct netem *ret, bool *ret_seeded);
/* Parts per million as the kernel's 32 bits, and back. */
uint32_t netem_share(uint32_t ppm);
uint32_t netem_ppm(uint32_t share);

#endif
