#include "live/live_model.h"

#include <stdarg.h>

const char *live_event_word(enum live_event_kind kind)
{
    static const char *const words[] = {"phase", "fault", "mesh",     "undo", "guard",
                                        "claim", "world", "question", "run",  "end"};
    return words[kind];
}

const char *live_state_word(enum live_state state)
{
    static const char *const words[] = {"starting", "running", "paused",
                                        "waiting",  "undoing", "done"};
    return words[state];
}

uint64_t live_since(const struct live *l, uint64_t t_ns)
{
    return l->zero_ns != 0 && t_ns > l->zero_ns ? t_ns - l->zero_ns : 0;
}

const char *live_clock(uint64_t ns, bool tenths, char *to, size_t size)
{
    uint64_t s = ns / NS_PER_S, h = s / 3600;
    char tail[8] = "";
    if (tenths)
        snprintf(tail, sizeof(tail), ".%u", (unsigned)(ns % NS_PER_S / (100 * NS_PER_MS)));
    if (h > 0)
        snprintf(to, size, "%llu:%02u:%02u%s", (unsigned long long)h, (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60), tail);
    else
        snprintf(to, size, "%u:%02u%s", (unsigned)(s / 60), (unsigned)(s % 60), tail);
    return to;
}

static void keep(struct live *l, const struct live_event *event)
{
    l->events[l->event_next] = *event;
    l->event_next = (l->event_next + 1) % LIVE_EVENTS;
    if (l->event_count < LIVE_EVENTS)
        l->event_count++;
}

void live_tell(struct live *l, uint64_t t_ns, enum live_event_kind kind, const char *what,
               const char *about, const char *format, ...)
{
    char text[512];
    struct live_event event = {.at_ns = live_since(l, t_ns), .kind = kind, .what = what};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    live_clean(event.text, sizeof(event.text), text);
    live_clean(event.about, sizeof(event.about), about);
    keep(l, &event);
    if (l->on_event != NULL)
        l->on_event(l->cookie, &event);
}

void live_listen(struct live *l, void (*on_event)(void *cookie, const struct live_event *event),
                 void *cookie)
{
    l->on_event = on_event;
    l->cookie = cookie;
}
