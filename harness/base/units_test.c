#include "base/units.h"

#include "base/clock.h"
#include "base/rng.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

typedef bool parse(const char *text, uint64_t *ret, struct error *err);
struct row {
    const char *text;
    uint64_t value;
};

static void accepted(parse *parse_it, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 1;
        struct error err = {0};
        if (!parse_it(rows[i].text, &value, &err) || value != rows[i].value)
            fail_msg("\"%s\": %llu %s", rows[i].text, (unsigned long long)value, err.text);
    }
}

static void refused(parse *parse_it, const char *const *texts, const char *wanted)
{
    for (; *texts != NULL; texts++) {
        uint64_t value = 77;
        struct error err = {0};
        if (parse_it(*texts, &value, &err))
            fail_msg("\"%s\" was taken as %llu", *texts, (unsigned long long)value);
        assert_int_equal(err.kind, ERROR_INPUT);
        assert_int_equal(value, 77);
        if (strstr(err.text, wanted) == NULL || strncmp(err.text, "is \"", 4) != 0)
            fail_msg("\"%s\" lacks \"%s\"", err.text, wanted);
    }
}

static void durations_are_exact_with_falling_units(void **state)
{
    static const struct row good[] = {
        {"250ms", 250 * NS_PER_MS},
        {"1m30s", 90 * NS_PER_S},
        {"0ms", 0},
        {"1d", 86400 * NS_PER_S},
        {"1h2m3s4ms5us6ns", UINT64_C(3723004005006)},
        {"90m", 5400 * NS_PER_S},
        {"18446744073709551615ns", UINT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "5",
                                      "ms",
                                      "0",
                                      "5 ms",
                                      "5ms ",
                                      "-5ms",
                                      "+5ms",
                                      "1.5s",
                                      "5x",
                                      "30s1m",
                                      "1s1s",
                                      "1h0.5m",
                                      "18446744073709551616ns",
                                      "999999999999d",
                                      "5MS",
                                      "213504d",
                                      "213503d24h",
                                      NULL};
    (void)state;
    accepted(units_parse_duration, good, COUNT_OF(good));
    refused(units_parse_duration, bad, "a duration such as \"250ms\"");
}

static void shares_are_parts_per_million_up_to_all(void **state)
{
    static const struct row good[] = {
        {"30%", 300000},   {"0%", 0},           {"100%", 1000000},     {"0.001%", 10},
        {"12.5%", 125000}, {"99.999%", 999990}, {"100.000%", 1000000},
    };
    static const char *const bad[] = {"",    "30",  "%",    "101%", "100.001%", "0.0001%", "1.%",
                                      ".5%", "-1%", "30 %", "30%%", "0.3",      NULL};
    (void)state;
    accepted(units_parse_share, good, COUNT_OF(good));
    refused(units_parse_share, bad, "a share such as \"30%\"");
}

static void rates_are_per_hour(void **state)
{
    static const struct row good[] = {{"200/s", 720000}, {"5/m", 300}, {"10/h", 10}, {"0/s", 0}};
    static const char *const bad[] = {"",       "200",    "200/",  "/s",   "200/d",
                                      "200 /s", "200/s ", "1.5/s", "-1/s", "18446744073709551615/s",
                                      NULL};
    (void)state;
    accepted(units_parse_rate, good, COUNT_OF(good));
    refused(units_parse_rate, bad, "a rate such as \"200/s\"");
}

static void sizes_know_both_kinds_of_thousand(void **state)
{
    static const struct row good[] = {{"4096B", 4096},   {"64KiB", 65536}, {"2kB", 2000},
                                      {"1MiB", 1048576}, {"1MB", 1000000}, {"1GiB", 1073741824},
                                      {"0B", 0}};
    static const char *const bad[] = {
        "", "5", "5K", "5kb", "5KB", "5Kib", "1.5MiB", "5B5B", "17179869184GiB", NULL};
    static const struct row rates[] = {
        {"64KiB/s", 65536}, {"1Mbit", 125000}, {"8bit", 1}, {"10B/s", 10}};
    static const char *const bad_rates[] = {"", "64KiB", "64KiB/m", "1Mbit/s", "1mbit", "64", NULL};
    (void)state;
    accepted(units_parse_size, good, COUNT_OF(good));
    refused(units_parse_size, bad, "a size such as \"64KiB\"");
    accepted(units_parse_byterate, rates, COUNT_OF(rates));
    refused(units_parse_byterate, bad_rates, "a byte rate such as");
}

static void durations_of_istio_fields_have_decimals(void **state)
{
    static const struct row good[] = {
        {"1.5s", 1500 * NS_PER_MS},
        {"1m30s", 90 * NS_PER_S},
        {"300ms", 300 * NS_PER_MS},
        {"0", 0},
        {"0s", 0},
        {"2h45m", 9900 * NS_PER_S},
        {"0.000000001s", 1},
        {"1.5h", 5400 * NS_PER_S},
        {"0.5ms", 500000},
        {"30s1m", 90 * NS_PER_S}, /* Go does not ask for order */
    };
    static const char *const bad[] = {
        "", "1", "s", "1.s", "-1s", "1d", "1.0000000001s", "1s ", "99999999999h", NULL};
    (void)state;
    accepted(units_parse_go_duration, good, COUNT_OF(good));
    refused(units_parse_go_duration, bad, "a duration such as \"1.5s\"");
}

static void durations_of_gateway_api_have_up_to_four_parts(void **state)
{
    static const struct row good[] = {{"500ms", 500 * NS_PER_MS},
                                      {"1m30s", 90 * NS_PER_S},
                                      {"0s", 0},
                                      {"99999h", UINT64_C(99999) * 3600 * NS_PER_S},
                                      {"1h1m1s1ms", UINT64_C(3661001) * NS_PER_MS},
                                      {"10s10s", 20 * NS_PER_S}};
    static const char *const bad[] = {"",   "1",   "100000h", "1.5s", "1us", "1h1m1s1ms1ms",
                                      "1d", "-1s", "0",       NULL};
    (void)state;
    accepted(units_parse_gep_duration, good, COUNT_OF(good));
    refused(units_parse_gep_duration, bad, "GEP-2257");
}

static void hostile_texts_are_shown_printable_and_short(void **state)
{
    static char large[5000];
    uint64_t value;
    struct error err = {0}, second = {0};
    (void)state;
    memset(large, '9', sizeof(large) - 1);
    assert_false(units_parse_duration(large, &value, &err));
    assert_true(strlen(err.text) < 200);
    assert_false(units_parse_size("1\n\x1b[31m\xff", &value, &second));
    assert_int_equal(strncmp(second.text, "is \"1??[31m?\"", 13), 0);
}

static void what_is_printed_parses_back(void **state)
{
    static const struct {
        const char *(*print)(uint64_t value, char *to, size_t size);
        parse *parse;
        uint64_t most;
    } pairs[] = {
        {units_print_duration, units_parse_duration, UINT64_MAX},
        {units_print_rate, units_parse_rate, UINT64_MAX},
        {units_print_size, units_parse_size, UINT64_MAX},
    };
    struct rng r = rng_of(9);
    (void)state;
    for (int i = 0; i < 20000; i++) {
        for (size_t k = 0; k < COUNT_OF(pairs); k++) {
            char shown[32];
            uint64_t value = rng_next(&r) >> rng_below(&r, 64), back = 0;
            pairs[k].print(value, shown, sizeof(shown));
            assert_true(pairs[k].parse(shown, &back, NULL) && back == value);
        }
    }
    for (uint64_t ppm = 0; ppm <= 1000000; ppm += 10) { /* the parser's own step */
        char shown[32];
        uint64_t back = 1;
        units_print_share(ppm, shown, sizeof(shown));
        assert_true(units_parse_share(shown, &back, NULL) && back == ppm);
    }
}

static void values_print_in_the_unit_that_reads_best(void **state)
{
    char to[32];
    (void)state;
    assert_string_equal(units_print_duration(600 * NS_PER_MS, to, sizeof(to)), "600ms");
    assert_string_equal(units_print_duration(90 * NS_PER_S, to, sizeof(to)), "1m30s");
    assert_string_equal(units_print_duration(0, to, sizeof(to)), "0ms");
    assert_string_equal(units_print_duration(UINT64_MAX, to, sizeof(to)),
                        "213503d23h34m33s709ms551us615ns");
    assert_string_equal(units_print_share(125000, to, sizeof(to)), "12.5%");
    assert_string_equal(units_print_share(10, to, sizeof(to)), "0.001%");
    assert_string_equal(units_print_rate(720000, to, sizeof(to)), "200/s");
    assert_string_equal(units_print_rate(300, to, sizeof(to)), "5/m");
    assert_string_equal(units_print_size(65536, to, sizeof(to)), "64KiB");
    assert_string_equal(units_print_size(1000, to, sizeof(to)), "1000B");
    assert_string_equal(units_print_time(UINT64_C(47218) * NS_PER_MS, to, sizeof(to)), "00:47.218");
    assert_string_equal(units_print_time(UINT64_C(3600000) * NS_PER_MS, to, sizeof(to)),
                        "1:00:00.000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_exact_with_falling_units),
        cmocka_unit_test(shares_are_parts_per_million_up_to_all),
        cmocka_unit_test(rates_are_per_hour),
        cmocka_unit_test(sizes_know_both_kinds_of_thousand),
        cmocka_unit_test(durations_of_istio_fields_have_decimals),
        cmocka_unit_test(durations_of_gateway_api_have_up_to_four_parts),
        cmocka_unit_test(hostile_texts_are_shown_printable_and_short),
        cmocka_unit_test(what_is_printed_parses_back),
        cmocka_unit_test(values_print_in_the_unit_that_reads_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
