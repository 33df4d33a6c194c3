#ifndef WORLD_NETLINK_MSG_H
#define WORLD_NETLINK_MSG_H

/* Netlink messages: made attribute by attribute and sent, or read as views. Inside harness/world
 * only. What comes from the kernel is read with the same care as what comes from a peer. */

#include "base/bytes.h"
#include "world/netlink.h"

#include <linux/rtnetlink.h>

struct nl_msg;
struct nlattr;
/* A message of ${type} with its fixed part; ${flags} beside NLM_F_REQUEST. */
struct nl_msg *netlink_msg(int type, int flags, const void *fixed, size_t size);
/* A traffic control message: fixed part struct tcmsg. ${info}: of filters. */
struct nl_msg *netlink_tc(int type, int flags, unsigned index, uint32_t parent, uint32_t handle,
                          uint32_t info);
void netlink_put(struct nl_msg *m, int type, const void *at, size_t size);
void netlink_put_text(struct nl_msg *m, int type, const char *text);
void netlink_put_u8(struct nl_msg *m, int type, uint8_t value);
void netlink_put_u16(struct nl_msg *m, int type, uint16_t value);
void netlink_put_u32(struct nl_msg *m, int type, uint32_t value);
void netlink_put_u64(struct nl_msg *m, int type, uint64_t value);
/* A nest; its own bytes (a struct before its attributes) go in by netlink_append. */
struct nlattr *netlink_nest(struct nl_msg *m, int type);
void netlink_nest_end(struct nl_msg *m, struct nlattr *nest);
void netlink_append(struct nl_msg *m, const void *at, size_t size);
/* Its payload, fixed part and attributes; borrowed until the next put. */
struct bytes netlink_view(const struct nl_msg *m);
/* Of one that is not sent. */
void netlink_free(struct nl_msg *m);

/* Sends, waits for the ack. The error is ERROR_SYSTEM: "${doing}: errno's text (the kernel's
 * words)", with ${err}->sys the errno; ERROR_SYSTEM with a sentence of its own for EPERM. */
bool netlink_ask(struct netlink *n, struct nl_msg *take_msg, const char *doing,
                 struct error *err) WARN_UNUSED;
/* Each answer: the message's type, its fixed part and attributes. */
typedef void netlink_on_message(void *cookie, int type, struct bytes payload);
/* With NLM_F_DUMP: all of them; a dump that the kernel calls interrupted is asked anew, after
 * ${restart} (may be NULL) has been called. */
bool netlink_dump(struct netlink *n, struct nl_msg *take_msg, const char *doing,
                  netlink_on_message *on, void (*restart)(void *), void *cookie,
                  struct error *err) WARN_UNUSED;

struct netlink_attr {
    uint16_t type; /* without the flags */
    struct bytes value;
};
/* The next attribute of ${rest}, which moves on; false at the end, and where what is left is not an
 * attribute. */
bool netlink_next(struct bytes *rest, struct netlink_attr *ret);
/* The last of that type, as the kernel's own reader has it. */
bool netlink_find(struct bytes in, uint16_t type, struct bytes *ret);
/* As much of the struct as is there; the rest is zero. */
void netlink_read(struct bytes from, void *to, size_t size);
uint32_t netlink_u32(struct bytes from);
uint64_t netlink_u64(struct bytes from);
/* A NUL-terminated text, cut to ${size}. */
void netlink_text(struct bytes from, char *to, size_t size);
/* The attributes behind a fixed part of ${fixed} bytes (aligned). */
struct bytes netlink_behind(struct bytes payload, size_t fixed);
/* The kernel's words in an error answer (a whole NLMSG_ERROR message), made printable; "": none. */
void netlink_words(struct bytes message, char *to, size_t size);

#endif
