/* show --ejection ENDPOINT: when it was out of the mesh's load balancing, after what, and what the
 * policy says of it. */
#include "base/clock.h"
#include "journal/arm.h"
#include "base/units.h"
#include "reports/listing.h"
#include "reports/outage.h"

#include <stdlib.h>

#define LIST_BYTES 160

/* "payments/2". */
struct place_of {
    char service[100];
    uint16_t endpoint;
};

static bool parse(const char *of, struct place_of *ret)
{
    const char *slash = strrchr(of, '/');
    uint64_t number;
    if (slash == NULL || slash == of || (size_t)(slash - of) >= sizeof(ret->service) ||
        !bytes_to_u64(bytes_of(slash + 1), &number) || number == 0 || number > UINT16_MAX)
        return false;
    snprintf(ret->service, sizeof(ret->service), "%.*s", (int)(slash - of), of);
    ret->endpoint = (uint16_t)number;
    return true;
}

static bool is_of(const struct scene_edge *e, const struct place_of *p)
{
    return strcmp(e->track->service, p->service) == 0;
}

static bool knows(const struct scene *s, const char *of, struct error *err)
{
    struct place_of p;
    char list[LIST_BYTES] = "";
    bool good = parse(of, &p);
    for (size_t i = 0; i < s->edge_count; i++) {
        const struct scene_edge *e = &s->edges[i];
        bool again = false;
        if (good && is_of(e, &p) && p.endpoint <= e->track->host_count)
            return true;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(s->edges[k].track->service, e->track->service) == 0;
        if (!again)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%.60s/1 to /%u",
                     list[0] == '\0' ? "" : ", ", e->track->service, e->track->host_count);
    }
    if (list[0] == '\0')
        return error_set(err, ERROR_USAGE, "the run has no tries at any endpoint of a mesh");
    return error_set(err, ERROR_USAGE, "the run has no endpoint \"%.40s\"; it has %s", of, list);
}

static void add_value(const char *name, const struct value *v, bool is_time, struct text *to)
{
    char number[40], mark[200];
    size_t line = to->len;
    if (!v->set)
        return;
    if (v->number == 0)
        snprintf(number, sizeof(number), "off");
    else if (is_time)
        units_print_duration(v->number, number, sizeof(number));
    else
        snprintf(number, sizeof(number), "%llu", (unsigned long long)v->number);
    text_add(to, "  %s", name);
    text_pad(to, line, 34, 1);
    text_add(to, "%s", number);
    text_pad(to, line, 46, 1);
    if (source_format(v->source, false, mark, sizeof(mark)) > 0)
        report_add_clean(to, mark);
    else
        report_add_clean(to, v->origin == NULL ? "" : v->origin);
    text_add(to, "\n");
}

static void add_policy(const struct scene_edge *e, struct text *to)
{
    const struct outlier_rule *o = &e->policy->outlier;
    const struct accrual_rule *a = &e->policy->accrual;
    report_add_clean(to, e->name);
    if (!o->present && !a->present) {
        text_add(to, "   its policy ejects nobody: nothing is expected\n");
        return;
    }
    text_add(to, "   its policy\n");
    if (o->present) {
        add_value("failures in a row", &o->consecutive_5xx, false, to);
        add_value("gateway errors in a row", &o->consecutive_gateway, false, to);
        add_value("swept each", &o->interval, true, to);
        add_value("out for, times its count", &o->base_ejection, true, to);
        add_value("out at most", &o->max_ejection, true, to);
        add_value("at most so many percent out", &o->max_ejection_percent, false, to);
        text_add(to, "  that are %u of %u endpoints\n", outlier_rule_cap(o, e->track->host_count),
                 e->track->host_count);
    }
    if (a->present) {
        add_value("failures in a row", &a->max_failures, false, to);
        add_value("first penalty", &a->min_penalty, true, to);
        add_value("longest penalty", &a->max_penalty, true, to);
    }
}

/* Failures in a row up to the moment it went out, and the last of them. */
static size_t failures_before(const struct track *t, uint32_t host, uint64_t from_ns,
                              const struct try **ret_last)
{
    const struct track_host *h = &t->hosts[host];
    size_t count = 0;
    uint32_t i = 0;
    *ret_last = NULL;
    while (i < h->count && t->tries[h->tries[i]].head_ns <= from_ns)
        i++;
    for (; i > 0; i--) {
        const struct try *x = &t->tries[h->tries[i - 1]];
        if (((x->rule[0] | x->rule[1]) & RULE_FAILS) == 0)
            break;
        *ret_last = *ret_last == NULL ? x : *ret_last;
        count++;
        if (x->after_silence) /* whoever comes back begins anew */
            break;
    }
    return count;
}

static void add_span(const char *before, uint64_t ns, struct text *to)
{
    text_add(to, "%s%.1f s", before, (double)ns / (double)NS_PER_S);
}

static void add_expected(const struct scene *s, const struct outage *o, struct text *to)
{
    char off[64];
    if (o->due_long_ns == 0) {
        text_add(to, o->is == OUTAGE_MAYBE
                         ? "; too few tries elsewhere to tell whether it was out"
                         : "; nothing certain shows how long it should have been");
        return;
    }
    text_add(to, "; expected back ");
    listing_time(s, o->due_short_ns, to);
    text_add(to, " to ");
    listing_time(s, o->due_long_ns, to);
    if (outage_print(o, off, sizeof(off))[0] != '\0')
        text_add(to, ": %s", off);
}

static void add_outage(const struct scene *s, const struct scene_edge *e, const struct outage *o,
                       struct text *to)
{
    const struct try *last;
    size_t failures = failures_before(e->track, (uint32_t)o->endpoint - 1, o->from_ns, &last);
    text_add(to, "  ");
    listing_time(s, o->from_ns, to);
    if (o->is == OUTAGE_MISSING) {
        text_add(to, "  %llu failures in a row, not put out; expected out until ",
                 (unsigned long long)o->failures);
        listing_time(s, o->due_short_ns, to);
        text_add(to, "\n");
        return;
    }
    text_add(to, " .. ");
    if (o->ended)
        listing_time(s, o->to_ns, to);
    else
        text_add(to, "not back");
    add_span(o->is == OUTAGE_MAYBE ? "  no tries for " : "  out for ", o->to_ns - o->from_ns, to);
    if (failures > 0 && last->r != NULL && last->r->status != 0)
        text_add(to, ", after %zu failure%s in a row, the last %u", failures,
                 failures == 1 ? "" : "s", last->r->status);
    else if (failures > 0)
        text_add(to, ", after %zu failure%s in a row", failures, failures == 1 ? "" : "s");
    add_expected(s, o, to);
    text_add(to, "\n");
}

/* Callers share the track of a service; a service has one in each scenario. */
static bool is_first(const struct scene *s, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (s->edges[i].track == s->edges[index].track)
            return false;
    return true;
}

static void add_seen(const struct scene *s, const struct scene_edge *e, const struct outages *all,
                     const struct place_of *p, struct text *to)
{
    const struct track_host *h = &e->track->hosts[p->endpoint - 1];
    size_t failed = 0, count = 0;
    char tries[32], bad[32];
    for (uint32_t i = 0; i < h->count; i++) {
        const struct try *x = &e->track->tries[h->tries[i]];
        failed += ((x->rule[0] | x->rule[1]) & RULE_FAILS) != 0;
    }
    text_add(to, "seen   %s tries, %s of them failures\n", text_grouped(h->count, tries, 32),
             text_grouped(failed, bad, 32));
    for (size_t i = 0; i < all->count; i++) {
        const struct outage *o = &all->at[i];
        if (strcmp(o->service, p->service) != 0 || o->endpoint != p->endpoint ||
            o->from_ns < e->track->from_ns || o->from_ns > e->track->to_ns)
            continue;
        add_outage(s, e, o, to);
        count++;
    }
    if (count == 0)
        text_add(to, "  never out\n");
}

static void add_verdicts(const struct scene *s, uint32_t scenario, const char *service,
                         struct text *to)
{
    const struct judgement *g = s->report->judgement;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->scenario == scenario && arm_is_subject(d->arm) &&
            d->verdict.kind != VERDICT_NOT_APPLICABLE && scene_is_on(d->on, service) &&
            (strcmp(d->claim->word, "ejection") == 0 || strcmp(d->claim->word, "readmitted") == 0))
            listing_verdict(d, to);
    }
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    struct place_of p;
    struct outages all;
    if (!parse(of, &p))
        return;
    outages_read(s, &all);
    for (size_t i = 0; i < s->edge_count; i++) {
        const struct scene_edge *e = &s->edges[i];
        if (!is_of(e, &p) || p.endpoint > e->track->host_count)
            continue;
        add_policy(e, to);
        if (!is_first(s, i))
            continue;
        add_seen(s, e, &all, &p, to);
        add_verdicts(s, e->scenario, p.service, to);
    }
    outages_release(&all);
}

static bool is_at(const struct scene *s, uint32_t proc, const char *service)
{
    const struct journal_proc *p = journal_proc_of(s->journal, proc);
    return p != NULL && p->service != NULL && strcmp(p->service, service) == 0 &&
           scene_is_subject(s, proc);
}

static bool keeps(const struct scene *s, const char *of, enum record_kind kind, const void *row)
{
    struct place_of p;
    const struct attempt_row *attempt = row;
    const struct fault_row *fault = row;
    const struct world_row *world = row;
    if (!parse(of, &p))
        return false;
    if (kind == RECORD_ATTEMPT)
        return attempt->r.endpoint == p.endpoint && is_at(s, attempt->proc, p.service);
    if (kind == RECORD_FAULT)
        return (fault->r.endpoint == p.endpoint || fault->r.endpoint == 0) &&
               is_at(s, fault->proc, p.service);
    return strcmp(journal_name(s->journal, world->r.place), of) == 0 &&
           scene_is_subject(s, world->proc);
}

const struct listing listing_ejection = {
    .name = "ejection",
    .knows = knows,
    .write = write,
    .kinds = NDJSON_KIND(RECORD_ATTEMPT) | NDJSON_KIND(RECORD_FAULT) | NDJSON_KIND(RECORD_WORLD),
    .keeps = keeps,
};
