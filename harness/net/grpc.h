#ifndef NET_GRPC_H
#define NET_GRPC_H

/* What gRPC adds to HTTP/2 that a proxy must know (gRPC over HTTP2, PROTOCOL-HTTP2.md): where its
 * status (base/grpc_status.h) stands, and how its message is spelled. Not messages, not protobuf:
 * bodies are bytes. Records and replies hold the status plus 1, so that 0 means none. */

#include "base/grpc_status.h"
#include "net/stream.h"

/* The grpc-status among ${fields}, plus 1; 0: there is none, or it is not a number below 1000. */
uint16_t grpc_status_of(struct fields fields);
/* content-type is application/grpc, with any +suffix or parameter. */
bool grpc_is_type(struct bytes content_type);
/* ${text} as a grpc-message: bytes outside 0x20 to 0x7E and '%' become %XX. In ${arena}. */
struct bytes grpc_message(struct bytes text, struct arena *arena);

#endif
