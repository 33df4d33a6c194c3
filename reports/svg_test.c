#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/svg.h"

static char wrote[4096];

static const char *take(struct text *t)
{
    snprintf(wrote, sizeof(wrote), "%s", text_get(t));
    text_clear(t);
    return wrote;
}

static void a_path_is_relative_with_one_decimal(void **state)
{
    struct text t;
    struct svg_path p;
    (void)state;
    text_init(&t, 4096);
    struct svg s = {.to = &t, .id = "x"};
    svg_path_begin(&s, &p, "l-ok");
    svg_path_move(&p, PX(10), PX(20.5));
    svg_path_line(&p, PX(12.5), PX(10));
    svg_path_line(&p, PX(20), PX(10));
    svg_path_line(&p, PX(20), PX(11));
    svg_path_bar(&p, PX(30), PX(50), PX(3), PX(-2.5));
    svg_path_end(&p);
    assert_string_equal(take(&t),
                        "<path class=\"l-ok\" d=\"m10 20.5l2.5-10.5h7.5v1m10 39v-2.5h3v2.5z\"/>");
    text_release(&t);
}

static void after_a_closed_bar_the_next_one_is_relative_to_its_start(void **state)
{
    struct text t;
    struct svg_path p;
    (void)state;
    text_init(&t, 4096);
    struct svg s = {.to = &t, .id = "x"};
    svg_path_begin(&s, &p, "");
    svg_path_bar(&p, 0, PX(100), PX(5), PX(-10));
    svg_path_bar(&p, PX(5), PX(100), PX(5), PX(-20));
    svg_path_end(&p);
    assert_string_equal(take(&t), "<path d=\"m0 100v-10h5v10zm5 0v-20h5v20z\"/>");
    text_release(&t);
}

static void a_frame_is_an_image_with_a_name_and_its_finding(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, 4096);
    struct svg s = {.to = &t, .id = "tl"};
    const struct svg_frame f = {.title = "Timeline <of> it",
                                .desc = "it \"broke\"",
                                .wide = "w1180",
                                .width_px10 = PX(1180),
                                .height_px10 = PX(60.5)};
    svg_open(&s, &f);
    svg_close(&s, &f);
    assert_string_equal(
        take(&t),
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline &lt;of&gt; it, "
        "scrolls sideways\"><div class=\"w1180\"><svg viewBox=\"0 0 1180 60.5\" id=\"tl-svg\" "
        "role=\"img\" aria-labelledby=\"tl-t tl-d\"><title id=\"tl-t\">Timeline &lt;of&gt; "
        "it</title><desc id=\"tl-d\">it &quot;broke&quot;</desc></svg></div></div>\n");
    text_release(&t);
}

static void shapes_take_classes_and_geometry_only(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, 4096);
    struct svg s = {.to = &t, .id = "x"};
    svg_rect(&s, "f-ok", PX(1), PX(2.5), PX(3), PX(-4));
    svg_circle(&s, "f-ok", 0, PX(1), PX(4.5));
    svg_text(&s, "c", PX(5), PX(6), "a<b");
    svg_name(&s, "", 0, 0, "an-endpoint-of-a-very-long-name/12");
    svg_use(&s, "v-fail", "fail", 0, 0, PX(16));
    svg_line(&s, "hair", 0, 0, 0, PX(9));
    assert_string_equal(
        take(&t),
        "<rect class=\"f-ok\" x=\"1\" y=\"2.5\" width=\"3\" height=\"0\"/>"
        "<circle class=\"f-ok\" cx=\"0\" cy=\"1\" r=\"4.5\"/>"
        "<text class=\"c\" x=\"5\" y=\"6\">a&lt;b</text>"
        "<text x=\"0\" y=\"0\"><title>an-endpoint-of-a-very-long-name/12</title>"
        "an-endpoint-o\xE2\x80\xA6y-long-name/12</text>"
        "<use href=\"#v-fail\" class=\"fail\" x=\"0\" y=\"0\" width=\"16\" height=\"16\"/>"
        "<path class=\"hair\" d=\"m0 0v9\"/>");
    text_release(&t);
}

static void bold_and_longer_texts_are_wider(void **state)
{
    (void)state;
    assert_true(svg_text_width("payments/1", true) > svg_text_width("payments/1", false));
    assert_true(svg_text_width("payments/1", false) < PX(90));
    assert_int_equal(svg_text_width("", true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_relative_with_one_decimal),
        cmocka_unit_test(after_a_closed_bar_the_next_one_is_relative_to_its_start),
        cmocka_unit_test(a_frame_is_an_image_with_a_name_and_its_finding),
        cmocka_unit_test(shapes_take_classes_and_geometry_only),
        cmocka_unit_test(bold_and_longer_texts_are_wider),
    };
    return cmocka_run_group_tests_name("svg", tests, NULL, NULL);
}
