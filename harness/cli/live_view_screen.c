#include "cli/live_view.h"
#include "cli/people.h"

#include "base/clock.h"

/* The screen of a run: its frames, its keys, and an answer that is typed. */

#define NOTICE_NS (4 * NS_PER_S)
#define PASTE_KEYS 5
#define SCREEN_MOST_BYTES ((size_t)512 * 1024)

static void tell(struct live_view *v, const char *text)
{
    live_clean(v->notice, sizeof(v->notice), text);
    v->notice_until_ns = clock_now_ns() + NOTICE_NS;
}

/* Takes ${take}; a refusal is shown. */
static void ask(struct live_view *v, json_t *take)
{
    const char *who = people_name();
    json_object_set_new(take, "who", json_string(who == NULL ? "terminal" : who));
    json_t *answer = steer_ask(v->steer, take);
    const char *why = json_string_value(json_object_get(answer, "error"));
    if (!json_is_true(json_object_get(answer, "ok")))
        tell(v, why == NULL ? "that was refused" : why);
    json_decref(answer);
    json_decref(take);
}

static void send_answer(struct live_view *v)
{
    v->typing = false;
    if (v->typed[0] != '\0' && v->snapshot.question.open)
        ask(v, json_pack("{ss sI ss ss}", "verb", "answer", "number",
                         (json_int_t)v->snapshot.question.number, "answer", v->typed, "channel",
                         "terminal"));
    v->typed[0] = '\0';
}

/* Printable ASCII alone: what else a terminal sends may be a part of a character. */
static void type(struct live_view *v, unsigned char key)
{
    size_t len = strlen(v->typed);
    if (key == '\r' || key == '\n') {
        send_answer(v);
    } else if (key == 0x1b) {
        v->typing = false;
        v->typed[0] = '\0';
    } else if (key == 0x7f || key == '\b') {
        v->typed[len > 0 ? len - 1 : 0] = '\0';
    } else if (key >= 0x20 && key < 0x7f && len + 1 < sizeof(v->typed)) {
        v->typed[len] = (char)key;
        v->typed[len + 1] = '\0';
    }
}

static void toggle(struct live_view *v, enum tty_view view)
{
    v->tty.view = v->tty.view == view ? TTY_MAIN : view;
}

static void act(struct live_view *v, unsigned char key)
{
    static const char views[] = "verfw?"; /* below in their order */
    static const enum tty_view shown[] = {TTY_VERDICTS, TTY_EVENTS, TTY_REQUESTS,
                                          TTY_FAULTS,   TTY_WHY,    TTY_HELP};
    if (key == 'p' || key == 'a') /* whoever acts wants to see what comes of it */
        v->tty.held = false;
    const char *at = memchr(views, key, sizeof(views) - 1);
    if (at != NULL)
        toggle(v, shown[at - views]);
    else if (key == 'p')
        ask(v, json_pack("{ss}", "verb", v->snapshot.state == LIVE_PAUSED ? "resume" : "pause"));
    else if (key == 'a')
        ask(v, json_pack("{ss ss}", "verb", "abort", "why", "key a"));
    else if (key == ' ')
        v->tty.held = !v->tty.held;
    else if ((key == '\r' || key == '\n') && v->snapshot.question.open)
        v->typing = true;
    else if (key == 0x1b)
        v->tty.view = TTY_MAIN;
}

static void draw(struct live_view *v);

/* Many keys at once are text, in which an "a" aborts nothing; unless it is one key, again and
 * again. */
static bool is_paste(const unsigned char *keys, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (keys[i] != keys[0])
            return count >= PASTE_KEYS;
    return false;
}

static void on_keys(void *cookie, const unsigned char *keys, size_t count)
{
    struct live_view *v = cookie;
    for (size_t i = 0; i < count; i++) {
        if (v->typing)
            type(v, keys[i]);
        else if (!is_paste(keys, count))
            act(v, keys[i]);
    }
    draw(v);
}

static void on_resize(void *cookie)
{
    live_view_screen_draw(cookie);
}

void live_view_screen_open(struct live_view *v)
{
    const struct screen_events events = {on_keys, on_resize, v};
    struct error err = {0};
    if (screen_open(v->loop, &events, &v->screen, &err))
        return;
    v->shows = LIVE_VIEW_LINES;
    live_view_say(v, err.text);
}

static void draw(struct live_view *v)
{
    char notice[2 * LIVE_TEXT_BYTES];
    struct text lines;
    if (!v->on_screen)
        return;
    v->tty.notice = NULL;
    v->tty.page = v->page[0] != '\0' ? v->page : NULL;
    if (v->typing) {
        snprintf(notice, sizeof(notice), "answer to %u: %s_   (Enter sends, Esc leaves)",
                 v->snapshot.question.number, v->typed);
        v->tty.notice = notice;
    } else if (v->notice[0] != '\0' && clock_now_ns() < v->notice_until_ns) {
        v->tty.notice = v->notice;
    }
    text_init(&lines, SCREEN_MOST_BYTES);
    tty_draw(&v->snapshot, &v->tty, &lines);
    screen_show(v->screen, text_get(&lines));
    text_release(&lines);
}

void live_view_screen_draw(struct live_view *v)
{
    size_t columns, rows;
    bool fits =
        screen_size(&columns, &rows) && columns >= TTY_COLUMNS_LEAST && rows >= TTY_ROWS_LEAST;
    if (fits != v->on_screen) {
        v->on_screen = fits;
        if (fits)
            screen_back(v->screen);
        else
            screen_hide(v->screen);
    }
    if (fits) {
        v->tty.columns = columns;
        v->tty.rows = rows;
    }
    if (!v->tty.held || v->snapshot.run[0] == '\0')
        live_snapshot(v->live, clock_now_ns(), &v->snapshot);
    draw(v);
}
