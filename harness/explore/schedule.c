#include "explore/schedule.h"

#include "base/units.h"

static bool same(const struct scheduled *a, const struct scheduled *b)
{
    bool equal = a->what == b->what && strcmp(a->service, b->service) == 0 &&
                 a->endpoint == b->endpoint && a->from_ns == b->from_ns && a->to_ns == b->to_ns;
    for (size_t i = 0; equal && i < a->what->dial_count; i++)
        equal = a->dials[i] == b->dials[i];
    return equal;
}

bool schedule_equal(const struct schedule *a, const struct schedule *b)
{
    bool equal = a->count == b->count && a->lasting_ns == b->lasting_ns;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = same(&a->faults[i], &b->faults[i]);
    return equal;
}

bool scheduled_is_whole(const struct scheduled *f)
{
    return f->from_ns == 0 && f->to_ns == UINT64_MAX;
}

void schedule_drop(struct schedule *s, size_t at)
{
    INVARIANT(at < s->count);
    for (size_t i = at; i + 1 < s->count; i++)
        s->faults[i] = s->faults[i + 1];
    s->count--;
}

static struct step fault_step(const struct scheduled *f, struct plan *p, struct source source)
{
    const char *on =
        f->endpoint == 0 ? f->service : arena_printf(&p->arena, "%s/%u", f->service, f->endpoint);
    struct step step = step_make(p, STEP_FAULT, f->what->word, on, source, NULL);
    for (size_t i = 0; i < f->what->dial_count; i++) {
        char text[40];
        uint64_t count;
        if (f->dials[i] == DIAL_ABSENT)
            continue;
        dial_print(&f->what->dials[i], f->dials[i], text, sizeof(text), &count);
        step_set_json(p, &step, f->what->dials[i].key,
                      count == UINT64_MAX ? json_string(text) : json_integer((json_int_t)count));
    }
    return step;
}

struct step *schedule_steps(const struct schedule *s, struct plan *p, struct source source)
{
    struct step *steps = ARENA_ARRAY(&p->arena, struct step, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct scheduled *f = &s->faults[i];
        struct step fault = fault_step(f, p, source);
        if (scheduled_is_whole(f)) {
            steps[i] = fault;
            continue;
        }
        steps[i] = step_make(p, STEP_DURING, "during", NULL, source, NULL);
        steps[i].from_ns = f->from_ns;
        steps[i].to_ns = f->to_ns;
        steps[i].steps = ARENA_ARRAY(&p->arena, struct step, 1);
        steps[i].steps[0] = fault;
        steps[i].step_count = 1;
    }
    return steps;
}

void scheduled_print(const struct scheduled *f, struct text *to)
{
    char from[32], end[32] = "", value[40];
    uint64_t count;
    text_add(to, "%s", f->what->word);
    for (size_t i = 0; i < f->what->dial_count; i++) {
        const struct dial *dial = &f->what->dials[i];
        if (f->dials[i] == DIAL_ABSENT)
            continue;
        dial_print(dial, f->dials[i], value, sizeof(value), &count);
        text_add(to, " %s=%s", dial->key, value);
    }
    text_add(to, " on %s", f->service);
    if (f->endpoint != 0)
        text_add(to, "/%u", f->endpoint);
    if (scheduled_is_whole(f))
        return;
    units_print_duration(f->from_ns, from, sizeof(from));
    if (f->to_ns != UINT64_MAX)
        units_print_duration(f->to_ns, end, sizeof(end));
    text_add(to, " %s..%s", from, end);
}

void schedule_print(const struct schedule *s, struct text *to)
{
    for (size_t i = 0; i < s->count; i++) {
        text_add(to, "%s", i == 0 ? "" : ", ");
        scheduled_print(&s->faults[i], to);
    }
}
