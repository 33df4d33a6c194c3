#include "cli/onlooker.h"

void onlookers_add(struct onlookers *o, const struct onlooker *row)
{
    INVARIANT(o->count < ONLOOKERS_MOST);
    o->rows[o->count++] = *row;
    o->sees_records = o->sees_records || row->on_record != NULL;
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    const struct onlookers *o = cookie;
    for (size_t i = 0; i < o->count; i++)
        if (o->rows[i].on_begin != NULL)
            o->rows[i].on_begin(o->rows[i].cookie, steer, loop);
}

static void on_end(void *cookie)
{
    const struct onlookers *o = cookie;
    for (size_t i = o->count; i-- > 0;)
        if (o->rows[i].on_end != NULL)
            o->rows[i].on_end(o->rows[i].cookie);
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    const struct onlookers *o = cookie;
    for (size_t i = 0; i < o->count; i++)
        if (o->rows[i].on_record != NULL)
            o->rows[i].on_record(o->rows[i].cookie, from, kind, record);
}

static void on_event(void *cookie, const struct engine_event *event)
{
    const struct onlookers *o = cookie;
    for (size_t i = 0; i < o->count; i++)
        if (o->rows[i].on_event != NULL)
            o->rows[i].on_event(o->rows[i].cookie, event);
}

void onlookers_hook(struct onlookers *o, struct engine_options *options)
{
    options->on_begin = on_begin;
    options->on_end = on_end;
    options->on_record = o->sees_records ? on_record : NULL;
    options->on_event = on_event;
    options->cookie = o;
}
