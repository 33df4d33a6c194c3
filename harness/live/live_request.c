#include "live/live_model.h"

/* The client's calls: how they ended, and the last that did not end well. */

const char *live_ending_word(enum live_ending ending)
{
    static const char *const words[] = {"good",      "4xx",          "5xx",
                                        "timed out", "reset or cut", "refused"};
    return words[ending];
}

static enum live_ending ending_of(const struct request_record *r)
{
    if (r->end == END_CLIENT_TIMEOUT)
        return LIVE_ENDED_TIMEOUT;
    if (r->end == END_REFUSED)
        return LIVE_ENDED_REFUSED;
    if (r->end != END_COMPLETE)
        return LIVE_ENDED_CUT;
    if (r->status >= 500 || r->grpc_status > 1)
        return LIVE_ENDED_5XX;
    return r->status >= 400 ? LIVE_ENDED_4XX : LIVE_ENDED_GOOD;
}

/* The how-manyth of the subject's load generators, from 0. */
static size_t load_number(struct live *l, const struct record_source *from)
{
    size_t nth = 0;
    while (nth < l->load_count && l->loads[nth] != from->proc)
        nth++;
    if (nth == l->load_count && nth < LOADS_MOST)
        l->loads[l->load_count++] = from->proc;
    return nth;
}

/* "c-18f2", "c2-1": as the reports name them; the calls of a service by its own name. */
static void print_name(const struct record_source *from, size_t load,
                       const struct request_record *r, char *to, size_t size)
{
    char sender[80], name[128];
    if (strcmp(from->role, "load") != 0)
        snprintf(sender, sizeof(sender), "%s", from->service);
    else if (load == 0)
        snprintf(sender, sizeof(sender), "c");
    else
        snprintf(sender, sizeof(sender), "c%zu", load + 1);
    snprintf(name, sizeof(name), "%s-%llx", sender, (unsigned long long)r->id_lo);
    live_clean(to, size, name);
}

void live_request(struct live *l, const struct record_source *from, const struct request_record *r)
{
    enum live_ending ending = ending_of(r);
    size_t load = strcmp(from->role, "load") == 0 ? load_number(l, from) : 0;
    l->head.requests++;
    l->head.ended[ending]++;
    if (ending == LIVE_ENDED_GOOD)
        return;
    struct live_request *failed = &l->failed[l->failed_next];
    *failed = (struct live_request){.at_ns = live_since(l, r->due),
                                    .took_ns = r->done > r->start ? r->done - r->start : 0,
                                    .ending = ending,
                                    .status = r->status};
    print_name(from, load, r, failed->name, sizeof(failed->name));
    live_clean(failed->path, sizeof(failed->path), record_name(from, r->path));
    l->failed_next = (l->failed_next + 1) % LIVE_REQUESTS;
    if (l->failed_count < LIVE_REQUESTS)
        l->failed_count++;
}

void live_requests_show(const struct live *l, struct live_snapshot *ret)
{
    for (size_t i = 0; i < l->failed_count; i++)
        ret->failed[i] = l->failed[(l->failed_next + LIVE_REQUESTS - 1 - i) % LIVE_REQUESTS];
    ret->failed_count = l->failed_count;
}
