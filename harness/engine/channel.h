#ifndef ENGINE_CHANNEL_H
#define ENGINE_CHANNEL_H

/* An agent's bytes over TCP: TLS 1.3 with the run's external pre-shared key (psk.h) and an
 * ephemeral Diffie-Hellman exchange (psk_dhe_ke, RFC 8446 4.2.9), so that a key that leaks later
 * opens no recording. There is no certificate, no ticket, no early data, no renegotiation; a peer
 * without the key never gets past its first flight. One end listens (intake.h), the other dials
 * (dial.h). Nothing here blocks. */

#include "engine/psk.h"
#include "engine/carrier.h"

enum channel_side { CHANNEL_CONDUCTOR, CHANNEL_AGENT };
enum channel_step { CHANNEL_OPEN, CHANNEL_GOES_ON, CHANNEL_FAILED };

struct channel_context;
/* The key is copied, and overwritten when it goes. */
struct channel_context *channel_context_new(enum channel_side side, const struct psk *psk);
void channel_context_free(struct channel_context *c); /* NULL is fine */

/* Takes a connected, non-blocking socket. Closing it is carrier.close. ${context} must outlive it.
 */
struct carrier *channel_new(struct channel_context *context, int take_fd);
/* Goes on with the handshake: after each edge, until it is not CHANNEL_GOES_ON. ${err}: why it
 * failed, in words that name no key. ERROR_PEER: the two do not agree, and will not; ERROR_SYSTEM:
 * the connection did not last. */
enum channel_step channel_step(struct carrier *w, struct error *err);

#endif
