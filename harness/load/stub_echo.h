#ifndef LOAD_STUB_ECHO_H
#define LOAD_STUB_ECHO_H

/* Inside the stub: a port of a service of protocol tcp. What comes in goes back, each message (what
 * is there when the port turns to a connection) after the service's `work`, in one of its slots;
 * the peer's FIN is answered with a FIN, behind all that is owed. */

#include "load/stub_task.h"

struct stub_echo;

/* ${port} is borrowed: its number, slots in use and counts are the service's as for HTTP. */
bool stub_echo_open(struct stub_port *port, const char *listen, struct stub_echo **ret,
                    struct error *err) WARN_UNUSED;
/* Connections are reset. */
void stub_echo_free(struct stub_echo *e);
const char *stub_echo_address(const struct stub_echo *e);

#endif
