#ifndef LOAD_ADDRESS_LIST_H
#define LOAD_ADDRESS_LIST_H

/* "127.0.0.1:4001,127.0.0.1:4002": where one edge's traffic goes. A mesh takes it at one address;
 * where there is none (mesh.none), the caller knows all endpoints, and each connection takes the
 * next. */

#include <stddef.h>
#include <stdint.h>

#define ADDRESS_BYTES 80

size_t address_list_count(const char *list);
/* The ${nth} of them, from 0 and around; cut to ADDRESS_BYTES. Returns ${to}. */
const char *address_list_pick(const char *list, uint64_t nth, char to[ADDRESS_BYTES]);

#endif
