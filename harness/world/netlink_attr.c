#include "world/netlink_msg.h"

/* Views of netlink messages, bounds checked: no libnl here, so that it can be fuzzed alone. */

/* NLA_HDRLEN and its kin are signed. */
#define HEAD_BYTES sizeof(struct nlattr)
#define TYPE_BITS 0x3fffu

bool netlink_next(struct bytes *rest, struct netlink_attr *ret)
{
    struct nlattr head;
    if (rest->len < HEAD_BYTES)
        return false;
    memcpy(&head, rest->at, sizeof(head));
    if (head.nla_len < HEAD_BYTES || head.nla_len > rest->len)
        return false;
    ret->type = (uint16_t)(head.nla_type & TYPE_BITS);
    ret->value = (struct bytes){rest->at + HEAD_BYTES, head.nla_len - HEAD_BYTES};
    size_t whole = (head.nla_len + (size_t)3) & ~(size_t)3;
    if (whole > rest->len)
        whole = rest->len;
    rest->at += whole;
    rest->len -= whole;
    return true;
}

bool netlink_find(struct bytes in, uint16_t type, struct bytes *ret)
{
    struct netlink_attr a;
    bool found = false;
    while (netlink_next(&in, &a)) {
        if (a.type == type) {
            *ret = a.value;
            found = true;
        }
    }
    return found;
}

void netlink_read(struct bytes from, void *to, size_t size)
{
    memset(to, 0, size);
    if (from.len > 0)
        memcpy(to, from.at, from.len < size ? from.len : size);
}

uint32_t netlink_u32(struct bytes from)
{
    uint32_t value;
    netlink_read(from, &value, sizeof(value));
    return value;
}

uint64_t netlink_u64(struct bytes from)
{
    uint64_t value;
    netlink_read(from, &value, sizeof(value));
    return value;
}

void netlink_text(struct bytes from, char *to, size_t size)
{
    size_t len = bytes_find(from, 0);
    if (len == SIZE_MAX)
        len = from.len;
    if (len > size - 1)
        len = size - 1;
    if (len > 0)
        memcpy(to, from.at, len);
    to[len] = '\0';
}

struct bytes netlink_behind(struct bytes payload, size_t fixed)
{
    size_t skip = NLMSG_ALIGN(fixed);
    if (skip > payload.len)
        skip = payload.len;
    return (struct bytes){payload.at + skip, payload.len - skip};
}

void netlink_words(struct bytes message, char *to, size_t size)
{
    struct nlmsghdr head;
    struct nlmsgerr answer;
    struct bytes words;
    to[0] = '\0';
    if (message.len < NLMSG_HDRLEN + sizeof(answer))
        return;
    memcpy(&head, message.at, sizeof(head));
    memcpy(&answer, message.at + NLMSG_HDRLEN, sizeof(answer));
    if (head.nlmsg_type != NLMSG_ERROR || (head.nlmsg_flags & NLM_F_ACK_TLVS) == 0)
        return;
    /* Without NLM_F_CAPPED the whole request comes back before the words. */
    size_t skip = NLMSG_HDRLEN + sizeof(answer);
    if ((head.nlmsg_flags & NLM_F_CAPPED) == 0) {
        size_t request = answer.msg.nlmsg_len;
        if (request < NLMSG_HDRLEN || request > message.len)
            return;
        skip += NLMSG_ALIGN(request) - NLMSG_HDRLEN;
    }
    if (skip > message.len)
        return;
    if (netlink_find((struct bytes){message.at + skip, message.len - skip}, NLMSGERR_ATTR_MSG,
                     &words))
        netlink_text(words, to, size);
    for (char *c = to; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}
