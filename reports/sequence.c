#include "base/clock.h"
#include "base/units.h"
#include "reports/tries.h"

/* One request as a sequence diagram: lanes for the client, the mesh, and each endpoint that was
 * tried, in the order of the first try (scenario-language.md section 6, situation 3). */

#define LANE_WIDTH 13

static void add_time(const struct tries *s, uint64_t t_ns, struct text *to)
{
    double ms = t_ns < s->zero_ns ? 0 : (double)(t_ns - s->zero_ns) / (double)NS_PER_MS;
    text_add(to, "%7.1f    ", ms);
}

/* Column 0 is the client, 1 the mesh, 2.. the endpoints. Draws from column ${a} to ${b}. */
static void add_arrow(const struct tries *s, size_t a, size_t b, struct text *to)
{
    char line[LANE_WIDTH * (TRIES_LANES + 2) + 2];
    size_t columns = s->lane_count + 2, width = columns * LANE_WIDTH;
    size_t low = a < b ? a : b, high = a < b ? b : a;
    memset(line, ' ', width);
    for (size_t c = 0; c < columns; c++)
        line[c * LANE_WIDTH] = '|';
    for (size_t i = low * LANE_WIDTH + 1; i < high * LANE_WIDTH; i++)
        line[i] = '-';
    if (a < b)
        line[high * LANE_WIDTH - 1] = '>';
    else
        line[low * LANE_WIDTH + 1] = '<';
    size_t end = (columns - 1) * LANE_WIDTH + 1;
    text_add_bytes(to, (struct bytes){(const uint8_t *)line, end});
}

static void add_answer(const struct tries *s, const struct attempt_record *r, size_t lane,
                       struct text *to)
{
    char late[40];
    if (tries_left(r)) {
        add_time(s, r->at + r->left, to);
        add_arrow(s, 1, lane + 2, to);
        text_add(to, " x the mesh left (%s) after %s\n", r->left_kind == LEFT_RST ? "RST" : "FIN",
                 units_print_duration(r->left / NS_PER_US * NS_PER_US, late, sizeof(late)));
        return;
    }
    if (r->out == 0)
        return;
    add_time(s, r->at + r->out, to);
    add_arrow(s, lane + 2, 1, to);
    if (r->outcome == OUTCOME_RESET_BY_FAULT)
        text_add(to, " RST%s\n", r->status != 0 ? " within the answer" : "");
    else if (r->status != 0)
        text_add(to, " %u\n", r->status);
    else
        text_add(to, " closed\n");
}

static void add_try(const struct tries *s, size_t i, const struct judged *verdict, struct text *to)
{
    const struct attempt_record *r = &s->rows[i]->r;
    size_t lane = tries_lane(s, s->rows[i]);
    add_time(s, r->at, to);
    add_arrow(s, 1, lane + 2, to);
    text_add(to, " #%zu", i + 1);
    if (i > 0) {
        const struct attempt_record *before = &s->rows[i - 1]->r;
        uint64_t ended = before->at + (before->left != 0 ? before->left : before->out);
        if (r->at > ended)
            text_add(to, "  back-off %.1f ms", (double)(r->at - ended) / (double)NS_PER_MS);
    }
    if (r->fault != 0) {
        text_add(to, "  ");
        report_add_clean(to, tries_fault(s, r->fault));
        text_add(to, " fired");
    }
    if (r->guarded != 0)
        text_add(to, "  fault withheld by the streak guard");
    if (verdict != NULL && strcmp(verdict->claim->id, "retry.max") == 0 && i + 1 == s->count)
        text_add(to, "  NOT ALLOWED: %s",
                 verdict->verdict.policy == NULL ? "" : verdict->verdict.policy);
    const char *reason = tries_reason(s, s->rows[i]);
    if (reason != NULL) {
        text_add(to, "  %s: ", record_enum_name("outcome", r->outcome));
        report_add_clean(to, reason);
    }
    text_add(to, "\n");
    add_answer(s, r, lane, to);
}

static void add_head(const struct tries *s, uint64_t id_hi, uint64_t id_lo,
                     const struct judged *verdict, struct text *to)
{
    char name[128];
    const struct journal *j = s->report->journal;
    request_name_print(j, id_hi, id_lo, name, sizeof(name));
    text_add(to, "request %s", name);
    if (s->request != NULL) {
        text_add(to, "   ");
        report_add_clean(to, journal_name(j, s->request->edge));
        text_add(to, "   ");
        report_add_clean(to, journal_name(j, s->request->path));
        if (s->request->tag != 0) {
            text_add(to, "   tag ");
            report_add_clean(to, journal_name(j, s->request->tag));
        }
    }
    text_add(to, "   seed %s", report_run_text(j, "seed"));
    if (verdict != NULL)
        text_add(to, "   claim %s: %s", verdict->claim->id,
                 verdict_kind_name(verdict->verdict.kind));
    text_add(to, "\n   ms      client       mesh");
    for (size_t i = 0; i < s->lane_count; i++) {
        snprintf(name, sizeof(name), "%.9s/%u", s->lanes[i].service, s->lanes[i].endpoint);
        text_add(to, "%s%-12s", i == 0 ? "         " : " ", name);
    }
    text_add(to, "\n");
}

bool sequence_print(const struct report *report, uint64_t id_hi, uint64_t id_lo,
                    const struct judged *verdict, struct text *to)
{
    static const char *const ends[] = {"",         " truncated",
                                       " reset",   " closed without an answer",
                                       " refused", " the client's own deadline"};
    struct tries s;
    bool found = tries_collect(report, id_hi, id_lo, &s);
    if (found) {
        const struct request_record *q = s.request;
        add_head(&s, id_hi, id_lo, verdict, to);
        if (q != NULL) {
            add_time(&s, s.zero_ns, to);
            add_arrow(&s, 0, 1, to);
            text_add(to, " %s\n", q->verb == VERB_GET ? "GET" : q->verb == VERB_POST ? "POST" : "");
        }
        for (size_t i = 0; i < s.count; i++)
            add_try(&s, i, verdict, to);
        if (q != NULL) {
            add_time(&s, q->due + q->done, to);
            add_arrow(&s, 1, 0, to);
            if (q->status != 0)
                text_add(to, " %u", q->status);
            text_add(to, "%s\n", q->end < COUNT_OF(ends) ? ends[q->end] : "");
        }
    }
    tries_release(&s);
    return found;
}
