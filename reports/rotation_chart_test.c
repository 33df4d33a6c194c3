#include "reports/chart_fixture_test.h"
#include "verify/handshake_fixture_test.h"

static void begin(struct limits *l)
{
    shakes_open(l, "rotation", NULL);
    for (uint64_t i = 0; i < 30; i++)
        limits_served(l, i * 500 * LIMITS_MS, i * 500 * LIMITS_MS + 4 * LIMITS_MS,
                      (uint16_t)(i % 3 + 1));
}

static char *draw(struct limits *l, struct chart_note *note)
{
    limits_judge(l, "rot.R1");
    struct report report = {.journal = l->j, .judgement = l->judgement, .plan = l->plan};
    char *text = chart_of(&report, "rotation", 0, note);
    chart_is_sound(text);
    return text;
}

static void end(struct limits *l, char *text)
{
    free(text);
    limits_close(l);
}

static void without_a_change_there_is_nothing_to_draw(void **state)
{
    struct limits l;
    struct chart_note note;
    (void)state;
    begin(&l);
    char *text = draw(&l, &note);
    assert_true(note.left_out);
    assert_string_equal(text, "");
    end(&l, text);
}

static void both_roots_are_trusted_while_leaves_change(void **state)
{
    struct limits l;
    struct chart_note note;
    (void)state;
    begin(&l);
    for (uint16_t e = 0; e <= 3; e++)
        shakes_swap(&l, 2 * LIMITS_S + (uint64_t)e * LIMITS_MS, e, "bundle root-a,root-b", true);
    for (uint16_t e = 0; e <= 3; e++)
        shakes_swap(&l, 5 * LIMITS_S + (uint64_t)e * LIMITS_MS, e, "leaf root-b serial B7", true);
    for (uint16_t e = 0; e <= 3; e++)
        shakes_swap(&l, 8 * LIMITS_S + (uint64_t)e * LIMITS_MS, e, "bundle root-b", true);
    shakes_run(&l, (struct shake_row){.at_us = LIMITS_S}, 6, 100 * LIMITS_MS);
    char *text = draw(&l, &note);
    assert_int_equal(chart_count(text, ">root-a and root-b</text>"), 4);
    assert_int_equal(chart_count(text, ">leaf of root-b</text>"), 4);
    chart_has(text, ">payments/3</text>");
    chart_has(text, ">none of 6</text>");
    chart_has(note.text, "Each pair fitted at every time.");
    assert_null(strstr(text, "skew"));
    end(&l, text);
}

static void a_leaf_before_its_trust_is_a_skew_with_its_length(void **state)
{
    struct limits l;
    struct chart_note note;
    (void)state;
    begin(&l);
    shakes_swap(&l, 2 * LIMITS_S, 3, "leaf root-b serial B7", true);
    for (uint16_t e = 0; e <= 3; e++)
        shakes_swap(&l, 15 * LIMITS_S + e, e, "bundle root-a,root-b", true);
    shakes_run(&l,
               (struct shake_row){
                   .at_us = 3 * LIMITS_S, .endpoint = 3, .own_root = "root-b", .refused = true},
               5, 200 * LIMITS_MS);
    char *text = draw(&l, &note);
    chart_has(text, ">skew, 13 s</text>");
    chart_has(note.text,
              "For 13 s from 0:02 on, client did not trust the root of the leaf of payments/3.");
    chart_has(text, ">5 of 5</text>");
    assert_int_equal(chart_count(text, "class=\"o-bad2\""), 2);
    end(&l, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_change_there_is_nothing_to_draw),
        cmocka_unit_test(both_roots_are_trusted_while_leaves_change),
        cmocka_unit_test(a_leaf_before_its_trust_is_a_skew_with_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
