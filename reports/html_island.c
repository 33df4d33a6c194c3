#include "base/clock.h"
#include "journal/arm.h"
#include "reports/html.h"
#include "reports/scene.h"

#include <stdlib.h>

/* The data island: what the crosshair of the timeline reads. Counts by bucket, never samples, and
 * nothing that is not on the page as a chart (ui.md 11). */

#define BUCKETS_MOST 300
#define ENDPOINTS_MOST 12
#define PHASES_MOST 200

struct spot {
    const char *service;
    uint16_t endpoint;
};
struct island {
    struct html *h;
    uint64_t from_ns, to_ns, bucket_ns;
    size_t buckets;
    uint32_t *requests, *good;
    uint64_t *slowest_ns;
    struct spot places[ENDPOINTS_MOST];
    size_t place_count;
    uint32_t *tries[ENDPOINTS_MOST], *failed[ENDPOINTS_MOST];
};

static bool is_subject(const struct journal *j, uint32_t number, const char **ret_service)
{
    const struct journal_proc *proc = journal_proc_of(j, number);
    *ret_service = proc == NULL ? NULL : proc->service;
    return proc != NULL && (proc->arm == NULL || proc->arm[0] == '\0' || arm_is_subject(proc->arm));
}

static bool find_bucket(const struct island *s, uint64_t at_ns, size_t *ret)
{
    if (at_ns < s->from_ns || at_ns >= s->to_ns)
        return false;
    *ret = (size_t)((at_ns - s->from_ns) / s->bucket_ns);
    return *ret < s->buckets;
}

/* The smallest width of ui.md 6 that gives no more buckets than there may be. */
static void choose_width(struct island *s)
{
    static const uint64_t tenths[] = {1, 2, 5, 10, 20, 50, 100, 300, 600};
    uint64_t span = s->to_ns - s->from_ns;
    size_t most = BUCKETS_MOST >> s->h->coarse;
    if (most < 10)
        most = 10;
    for (size_t i = 0; i < COUNT_OF(tenths); i++) {
        s->bucket_ns = tenths[i] * (NS_PER_S / 10);
        if ((span + s->bucket_ns - 1) / s->bucket_ns <= most)
            break;
    }
    uint64_t count = (span + s->bucket_ns - 1) / s->bucket_ns;
    if (count > most) {
        s->bucket_ns = span / most + 1;
        count = most;
    }
    s->buckets = (size_t)count;
}

static void count_requests(struct island *s)
{
    const struct journal *j = s->h->report->journal;
    size_t b;
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        if (!find_bucket(s, r->due, &b) || !scene_is_load(s->h->report->scene, j->requests[i].proc))
            continue;
        s->requests[b]++;
        s->good[b] += r->end == END_COMPLETE && r->status >= 200 && r->status < 400 &&
                      r->grpc_status <= 1; /* 1: OK */
        if (r->done > s->slowest_ns[b])
            s->slowest_ns[b] = r->done;
    }
}

static size_t find_place(struct island *s, const char *service, uint16_t endpoint)
{
    size_t i = 0;
    while (i < s->place_count &&
           (s->places[i].endpoint != endpoint || strcmp(s->places[i].service, service) != 0))
        i++;
    if (i == s->place_count && i < ENDPOINTS_MOST) {
        s->places[s->place_count++] = (struct spot){service, endpoint};
        s->tries[i] = check_alloc_zero(s->buckets, sizeof(uint32_t));
        s->failed[i] = check_alloc_zero(s->buckets, sizeof(uint32_t));
    }
    return i;
}

static void count_tries(struct island *s)
{
    const struct journal *j = s->h->report->journal;
    const char *service;
    size_t b;
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt_record *r = &j->attempts[i].r;
        if (!find_bucket(s, r->at, &b) || !is_subject(j, j->attempts[i].proc, &service) ||
            service == NULL || r->outcome == OUTCOME_ABANDONED)
            continue;
        size_t place = find_place(s, service, r->endpoint);
        if (place == ENDPOINTS_MOST)
            continue;
        s->tries[place][b]++;
        s->failed[place][b] +=
            r->outcome != OUTCOME_ANSWERED || r->status >= 500 || r->grpc_status > 1;
    }
}

static void add_numbers(struct text *to, const char *key, const uint32_t *at, size_t count)
{
    text_add(to, "%s[", key);
    for (size_t i = 0; i < count; i++)
        text_add(to, i == 0 ? "%u" : ",%u", at[i]);
    text_add(to, "]");
}

static void add_phases(struct island *s)
{
    const struct judgement *g = s->h->report->judgement;
    struct text *to = s->h->to;
    text_add(to, ",\"phases\":[");
    for (size_t i = 0, told = 0; i < g->phase_count && told < PHASES_MOST; i++) {
        const struct judged_phase *p = &g->phases[i];
        uint64_t end = p->t1_ns > s->to_ns ? s->to_ns : p->t1_ns;
        if (p->t0_ns < s->from_ns || end < p->t0_ns)
            continue;
        text_add(to, told++ == 0 ? "[" : ",[");
        html_json(to, p->name);
        text_add(to, ",%llu,%llu]", (unsigned long long)((p->t0_ns - s->from_ns) / NS_PER_MS),
                 (unsigned long long)((end - s->from_ns) / NS_PER_MS));
    }
    text_add(to, "]");
}

static void add_endpoints(struct island *s)
{
    struct text *to = s->h->to;
    char name[300];
    text_add(to, ",\"endpoints\":[");
    for (size_t i = 0; i < s->place_count; i++) {
        snprintf(name, sizeof(name), "%.250s/%u", s->places[i].service, s->places[i].endpoint);
        text_add(to, i == 0 ? "{\"name\":" : ",{\"name\":");
        html_json(to, name);
        add_numbers(to, ",\"tries\":", s->tries[i], s->buckets);
        add_numbers(to, ",\"failed\":", s->failed[i], s->buckets);
        text_add(to, "}");
    }
    text_add(to, "]");
}

void html_island(struct html *h)
{
    const struct scene *scene = h->report->scene; /* its span is that of the timeline */
    struct island s = {.h = h, .from_ns = scene->zero_ns, .to_ns = scene->end_ns};
    if (s.to_ns <= s.from_ns || h->requests == 0)
        return;
    choose_width(&s);
    s.requests = check_alloc_zero(s.buckets, sizeof(uint32_t));
    s.good = check_alloc_zero(s.buckets, sizeof(uint32_t));
    s.slowest_ns = check_alloc_zero(s.buckets, sizeof(uint64_t));
    count_requests(&s);
    count_tries(&s);
    text_add(h->to,
             "<script type=\"application/json\" id=\"data\">{\"span_ms\":%llu,"
             "\"bucket_ms\":%llu",
             (unsigned long long)((s.to_ns - s.from_ns) / NS_PER_MS),
             (unsigned long long)(s.bucket_ns / NS_PER_MS));
    add_phases(&s);
    add_numbers(h->to, ",\"requests\":", s.requests, s.buckets);
    add_numbers(h->to, ",\"good\":", s.good, s.buckets);
    text_add(h->to, ",\"slowest_ms\":[");
    for (size_t i = 0; i < s.buckets; i++)
        text_add(h->to, i == 0 ? "%llu" : ",%llu",
                 (unsigned long long)(s.slowest_ns[i] / NS_PER_MS));
    text_add(h->to, "]");
    add_endpoints(&s);
    text_add(h->to, "}</script>\n");
    free(s.requests);
    free(s.good);
    free(s.slowest_ns);
    for (size_t i = 0; i < s.place_count; i++) {
        free(s.tries[i]);
        free(s.failed[i]);
    }
}
