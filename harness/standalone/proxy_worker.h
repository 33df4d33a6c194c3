#ifndef STANDALONE_PROXY_WORKER_H
#define STANDALONE_PROXY_WORKER_H

/* One of `--workers N`: serves what its parent says, over a socket of whole JSON messages. It ends
 * when the parent does. */

#include "standalone/proxy_host.h"

/* A message: its length (32 bits), then JSON. Both block: the other side is our own, and reads. */
bool worker_send(int fd, const json_t *message);
/* NULL: the other side is gone, or its bytes are no message. The caller's reference. */
json_t *worker_receive(int fd);

/* Orders: {"replace": [..], "missing": ..}, {"remove": name}, {"stats": true}: answered by {},
 * {"error": text} or {"stats": {..}}; {"drain": ns} is answered by the end of the process. */
NORETURN void worker_main(unsigned number, int fd, const struct proxy_host_config *config);

#endif
