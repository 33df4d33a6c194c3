#include "world/netlink_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* One attribute of ${len} bytes in all. */
static size_t put(uint8_t *at, uint16_t len, uint16_t type, const char *value)
{
    struct nlattr head = {len, type};
    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), value, strlen(value) + 1);
    return ((size_t)len + 3) & ~(size_t)3;
}

static void attributes_are_read_one_after_the_other_and_the_last_of_a_type_counts(void **unused)
{
    uint8_t at[64] = {0};
    struct bytes value;
    char text[8];
    (void)unused;
    size_t len = put(at, 8, 3, "abc");
    len += put(at + len, 7, 5, "xy");
    len += put(at + len, 6, (uint16_t)(3 | NLA_F_NESTED), "z");
    assert_true(netlink_find((struct bytes){at, len}, 3, &value));
    netlink_text(value, text, sizeof(text));
    assert_string_equal(text, "z");
    assert_true(netlink_find((struct bytes){at, len}, 5, &value));
    assert_int_equal(value.len, 3);
    assert_false(netlink_find((struct bytes){at, len}, 4, &value));
}

static void what_is_cut_or_too_long_ends_the_reading(void **unused)
{
    uint8_t at[16] = {0};
    struct netlink_attr a;
    (void)unused;
    put(at, 12, 1, "1234567");
    for (size_t len = 0; len < 12; len++)
        assert_false(netlink_next(&(struct bytes){at, len}, &a));
    assert_true(netlink_next(&(struct bytes){at, 12}, &a));
    put(at, 3, 1, "123");
    assert_false(netlink_next(&(struct bytes){at, sizeof(at)}, &a));
    /* The padding of the last one may lack. */
    put(at, 5, 1, "");
    struct bytes rest = {at, 5};
    assert_true(netlink_next(&rest, &a) && rest.len == 0);
    assert_int_equal(netlink_u32(a.value), 0);
    assert_int_equal(netlink_u64((struct bytes){NULL, 0}), 0);
    assert_int_equal(netlink_behind((struct bytes){at, 5}, 20).len, 0);
}

static size_t refusal(uint8_t *at, uint16_t flags, uint32_t request_len)
{
    struct nlmsghdr head = {.nlmsg_type = NLMSG_ERROR, .nlmsg_flags = flags};
    struct nlmsgerr answer = {.error = -22, .msg = {.nlmsg_len = request_len}};
    size_t len = NLMSG_HDRLEN + sizeof(answer);
    if ((flags & NLM_F_CAPPED) == 0)
        len += request_len - NLMSG_HDRLEN;
    size_t whole = len + put(at + len, 4 + 6, NLMSGERR_ATTR_MSG, "no\nit");
    head.nlmsg_len = (uint32_t)whole;
    memcpy(at, &head, sizeof(head));
    memcpy(at + NLMSG_HDRLEN, &answer, sizeof(answer));
    return whole;
}

static void the_kernels_words_are_found_behind_a_capped_and_a_whole_request(void **unused)
{
    uint8_t at[256] = {0};
    char words[32];
    (void)unused;
    size_t len = refusal(at, NLM_F_ACK_TLVS | NLM_F_CAPPED, 4000);
    netlink_words((struct bytes){at, len}, words, sizeof(words));
    assert_string_equal(words, "no?it");
    len = refusal(at, NLM_F_ACK_TLVS, 36);
    netlink_words((struct bytes){at, len}, words, sizeof(words));
    assert_string_equal(words, "no?it");
    netlink_words((struct bytes){at, len - 12}, words, sizeof(words));
    assert_string_equal(words, "");
    len = refusal(at, NLM_F_CAPPED, 36); /* it has none */
    netlink_words((struct bytes){at, len}, words, sizeof(words));
    assert_string_equal(words, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_read_one_after_the_other_and_the_last_of_a_type_counts),
        cmocka_unit_test(what_is_cut_or_too_long_ends_the_reading),
        cmocka_unit_test(the_kernels_words_are_found_behind_a_capped_and_a_whole_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
