/* The terminal view as golden screens of a replayed real run, and with names that mean harm.
 *
 * MESHPROOF_GOLDEN=write makes the files anew: look at them before you keep them. */

#include "live/canvas.h"
#include "live/replay_test.h"
#include "live/tty.h"

#define GOLDEN "suites/selftest/live/golden/"
#define SCREEN_MOST ((size_t)256 * 1024)

static struct live_snapshot s; /* too large for a stack that a sanitizer pads */

static void read_file(const char *path, struct text *to)
{
    char part[4096];
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return;
    for (size_t n; (n = fread(part, 1, sizeof(part), f)) > 0;)
        text_add_bytes(to, (struct bytes){(const uint8_t *)part, n});
    fclose(f);
}

static void compare(const char *name, const char *screen)
{
    char path[200];
    struct text golden, now;
    snprintf(path, sizeof(path), GOLDEN "%s.txt", name);
    text_init(&golden, SCREEN_MOST);
    text_init(&now, SCREEN_MOST);
    text_add(&now, "%s\n", screen);
    if (getenv("MESHPROOF_GOLDEN") != NULL) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text_get(&now), f);
        fclose(f);
    }
    read_file(path, &golden);
    if (strcmp(text_get(&golden), text_get(&now)) != 0)
        fail_msg("%s is not what is drawn:\n%s", path, text_get(&now));
    text_release(&golden);
    text_release(&now);
}

/* As many lines as rows, none wider than the columns, no byte that a terminal acts on. */
static void check_shape(const char *screen, const struct tty_options *o)
{
    size_t rows = 1, width = 0;
    for (const char *at = screen; *at != '\0';) {
        size_t columns, len = live_character(at, &columns);
        if (*at == '\n') {
            rows++;
            width = 0;
        } else {
            assert_in_range((unsigned char)*at, 0x20, 0xF4);
            assert_int_not_equal(*at, 0x7F);
            assert_true(!o->ascii || (unsigned char)*at < 0x80);
            width += columns;
        }
        assert_true(width <= o->columns);
        at += len;
    }
    assert_int_equal(rows, o->rows);
}

static void draw(const struct tty_options *o, const char *golden)
{
    struct text text;
    text_init(&text, SCREEN_MOST);
    tty_draw(&s, o, &text);
    assert_false(text.full);
    check_shape(text_get(&text), o);
    if (golden != NULL)
        compare(golden, text_get(&text));
    text_release(&text);
}

static void judge(struct replay *r, uint64_t since_ns)
{
    struct judgement *judgement = NULL;
    struct judge_options options = {.partial = true};
    struct error err = {0};
    if (!judge_run(r->journal, &options, &judgement, &err))
        fail_msg("%s", err.text);
    replay_verdicts(r->live, judgement, replay_zero_ns(r) + since_ns);
    judgement_free(judgement);
}

static void the_screens_are_the_golden_ones(void **state)
{
    static const struct {
        uint64_t at_s;
        bool judged, ascii;
        size_t columns, rows;
        enum tty_view view;
        const char *golden;
    } rows[] = {
        {0, false, false, 80, 24, TTY_MAIN, "80x24_start"},
        {12, false, false, 80, 24, TTY_MAIN, "80x24_out"},
        {18, true, false, 80, 24, TTY_MAIN, "80x24"},
        {18, true, true, 80, 24, TTY_MAIN, "80x24_c"},
        {18, true, false, 120, 40, TTY_MAIN, "120x40"},
        {18, true, true, 120, 40, TTY_MAIN, "120x40_c"},
        {40, true, false, 200, 60, TTY_MAIN, "200x60"},
        {40, true, false, 80, 24, TTY_VERDICTS, "80x24_verdicts"},
        {18, true, false, 80, 24, TTY_EVENTS, "80x24_events"},
        {18, true, false, 80, 24, TTY_FAULTS, "80x24_faults"},
        {18, true, false, 80, 24, TTY_REQUESTS, "80x24_requests"},
        {40, true, false, 80, 24, TTY_WHY, "80x24_why"},
        {18, true, false, 80, 24, TTY_HELP, "80x24_help"},
        {40, true, false, 80, 24, TTY_MAIN, "80x24_done"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replay r;
        replay_open(&r, REPLAY_JOURNAL);
        replay_until(&r, rows[i].at_s * NS_PER_S);
        if (rows[i].judged)
            judge(&r, (rows[i].at_s + 1) * NS_PER_S);
        replay_show(&r, rows[i].at_s * NS_PER_S, &s);
        draw(&(struct tty_options){.columns = rows[i].columns,
                                   .rows = rows[i].rows,
                                   .ascii = rows[i].ascii,
                                   .view = rows[i].view},
             rows[i].golden);
        replay_close(&r);
    }
}

/* What a hostile suite or peer might put into names: sequences, controls, wide and joining
 * characters, and what is not UTF-8. */
#define HARM \
    "\x1b[2J\x1b]0;pwn\x07\r\n\t\x7f\xc2\x9b" \
    "31m\xe2\x80\xae\xe6\xbc\xa2\xe5\xad\x97\xcc\x81\xff"
static const char harm_json[] = "\\u001b[2J\\u001b]0;pwn\\u0007\\r\\n\\t\\u007f\\u009b31m"
                                "\\u202e\\u6f22\\u5b57\\u0301";

/* Each text "payments drags", "client -> payments" and so on of a JSON value gets harm put before
 * it. */
static json_t *harmed(json_t *take, const char *const *words, size_t count)
{
    char *from = json_dumps(take, JSON_COMPACT);
    struct text to;
    text_init(&to, SCREEN_MOST);
    for (const char *at = from; *at != '\0';) {
        size_t i = 0;
        while (i < count && strncmp(at, words[i], strlen(words[i])) != 0)
            i++;
        if (i < count)
            text_add(&to, "%s%s", words[i], harm_json);
        else
            text_add(&to, "%c", *at);
        at += i < count ? strlen(words[i]) : 1;
    }
    json_t *json = json_loads(text_get(&to), 0, NULL);
    assert_non_null(json);
    text_release(&to);
    free(from);
    json_decref(take);
    return json;
}

static void do_harm(struct journal *j)
{
    static const char *const in_plan[] = {"payments drags", "payments in trouble", "recovery",
                                          "live.lua"};
    static const char *const in_rows[] = {"\"abort 503", "latency ", "\"on\":\"payments"};
    j->plan = harmed(j->plan, in_plan, COUNT_OF(in_plan));
    for (size_t i = 0; i < j->event_count; i++)
        j->events[i].json = harmed(j->events[i].json, in_rows, COUNT_OF(in_rows));
    for (size_t i = 1; i < j->name_count; i++)
        if (strcmp(j->names[i], "/") == 0)
            j->names[i] = "/" HARM HARM HARM;
}

static void harm_everywhere(struct replay *r)
{
    struct journal_event e = {.t_ns = replay_zero_ns(r), .what = "question"};
    struct record_source from = {.role = "", .arm = "", .service = ""};
    json_t *ask =
        json_pack("{si ss ss ss}", "number", 1, "kind", "await", "ask", "Go on?", "role", "lead");
    const char *const words[] = {"Go on?", "lead"};
    e.json = harmed(ask, words, COUNT_OF(words));
    live_record(r->live, &from, RECORD_EVENT, &e, e.t_ns);
    json_decref(e.json);
    live_journal(r->live, "a/" HARM, 1);
}

/* Colours are the only sequences that come out. */
static void check_colours(const struct tty_options *o)
{
    struct tty_options coloured = *o;
    struct text text;
    coloured.colour = true;
    text_init(&text, SCREEN_MOST);
    tty_draw(&s, &coloured, &text);
    size_t seen = 0;
    for (const char *at = text_get(&text); (at = strchr(at, '\x1b')) != NULL; at++, seen++) {
        assert_int_equal(at[1], '[');
        size_t len = strspn(at + 2, "0123456789;");
        assert_int_equal(at[2 + len], 'm');
    }
    assert_true(seen > 0);
    text_release(&text);
}

static void names_that_mean_harm_do_none(void **state)
{
    (void)state;
    struct replay r;
    replay_open_changed(&r, REPLAY_JOURNAL, do_harm);
    harm_everywhere(&r);
    replay_until(&r, 18 * NS_PER_S);
    replay_show(&r, 18 * NS_PER_S, &s);
    assert_non_null(strstr(s.scenario, "payments in trouble?[2J?]0;pwn?"));
    assert_true(s.failed_count > 0 && strstr(s.failed[0].path, "/?[2J") != NULL);
    for (int view = TTY_MAIN; view <= TTY_HELP; view++)
        for (int ascii = 0; ascii < 2; ascii++) {
            struct tty_options o = {
                .columns = 80, .rows = 24, .ascii = ascii != 0, .view = (enum tty_view)view};
            o.notice = view % 2 == 0 ? HARM HARM HARM : NULL;
            draw(&o, NULL);
            check_colours(&o);
            o.columns = 131;
            o.rows = 50;
            draw(&o, NULL);
        }
    struct text json;
    text_init(&json, LIVE_JSON_BYTES);
    assert_true(live_json(&s, &json));
    json_t *read = json_loads(text_get(&json), 0, NULL);
    assert_non_null(read);
    json_decref(read);
    text_release(&json);
    replay_close(&r);
}

/* From the floor to more than is drawn. */
static void every_size_has_its_shape(void **state)
{
    (void)state;
    struct replay r;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 18 * NS_PER_S);
    judge(&r, 18 * NS_PER_S);
    replay_show(&r, 18 * NS_PER_S, &s);
    for (size_t columns = TTY_COLUMNS_LEAST; columns <= CANVAS_COLUMNS_MOST; columns += 13)
        for (size_t rows = TTY_ROWS_LEAST; rows <= CANVAS_ROWS_MOST; rows += 7)
            for (int view = TTY_MAIN; view <= TTY_HELP; view++)
                draw(&(struct tty_options){.columns = columns,
                                           .rows = rows,
                                           .view = (enum tty_view)view},
                     NULL);
    replay_close(&r);
}

static void what_is_too_long_is_cut_between_characters(void **state)
{
    char to[64];
    (void)state;
    assert_string_equal(canvas_middle("payments/2", 12, false, to, sizeof(to)), "payments/2");
    assert_string_equal(canvas_middle("payments-of-berlin/2", 12, true, to, sizeof(to)),
                        "payme..lin/2");
    assert_string_equal(canvas_middle("payments-of-berlin/2", 12, false, to, sizeof(to)),
                        "paymen\xe2\x80\xa6lin/2");
    /* Two columns each: a half one is not shown. */
    canvas_middle("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 8, false, to,
                  sizeof(to));
    assert_true(live_columns(to) <= 8);
    struct canvas *c = canvas_new(5, 1, false);
    struct text text;
    text_init(&text, SCREEN_MOST);
    canvas_put(c, 0, 2, STYLE_PLAIN, "\xe6\xbc\xa2\xe6\xbc\xa2");
    canvas_write(c, false, &text);
    assert_string_equal(text_get(&text), "  \xe6\xbc\xa2");
    canvas_put(c, 7, 2, STYLE_PLAIN, "outside"); /* nothing */
    canvas_free(c);
    text_release(&text);
}

static void a_notice_takes_the_place_of_the_keys(void **state)
{
    struct replay r;
    struct text text;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 2 * NS_PER_S);
    replay_show(&r, 2 * NS_PER_S, &s);
    struct tty_options o = {.columns = 80, .rows = 24, .notice = "answer to 1: yes_"};
    text_init(&text, SCREEN_MOST);
    tty_draw(&s, &o, &text);
    const char *last = strrchr(text_get(&text), '\n');
    assert_string_equal(last, "\n answer to 1: yes_");
    text_release(&text);
    replay_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_screens_are_the_golden_ones),
        cmocka_unit_test(names_that_mean_harm_do_none),
        cmocka_unit_test(a_notice_takes_the_place_of_the_keys),
        cmocka_unit_test(every_size_has_its_shape),
        cmocka_unit_test(what_is_too_long_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
