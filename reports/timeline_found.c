/* Where on the axis the judge's findings lie: the first witness of each FAIL. */
#include "reports/timeline.h"
#include "journal/arm.h"

#define ROW PX(22)

static bool is_found(const struct timeline *t, const struct judged *d)
{
    return d->verdict.kind == VERDICT_FAIL && d->verdict.witness_ns >= t->scene->zero_ns &&
           d->verdict.witness_ns <= t->scene->end_ns && d->verdict.witness_ns != 0 &&
           arm_is_subject(d->arm);
}

/* The next one in order of time; of one moment, in that of the judgement. */
static const struct judged *next_of(const struct timeline *t, const struct judged *last)
{
    const struct judgement *g = t->scene->report->judgement;
    const struct judged *best = NULL;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        uint64_t at = d->verdict.witness_ns;
        bool after = last == NULL || at > last->verdict.witness_ns ||
                     (at == last->verdict.witness_ns && d > last);
        if (is_found(t, d) && after && (best == NULL || at < best->verdict.witness_ns))
            best = d;
    }
    return best;
}

int32_t timeline_found_height(const struct timeline *t)
{
    return next_of(t, NULL) == NULL ? 0 : ROW;
}

void timeline_found(struct timeline *t, int32_t y)
{
    int32_t next = TIMELINE_LEFT;
    size_t unnamed = 0;
    if (timeline_found_height(t) == 0)
        return;
    svg_text(t->to, "e b", TIMELINE_GUTTER, y + PX(16), "found");
    for (const struct judged *d = next_of(t, NULL); d != NULL; d = next_of(t, d)) {
        struct svg_path p;
        const char *id = d->claim->id;
        int32_t at = axis_px(&t->x, d->verdict.witness_ns),
                width = PX(12) + svg_text_width(id, true);
        svg_path_begin(t->to, &p, "f-bad");
        svg_path_bar(&p, at - PX(4), y + PX(7), PX(8), PX(8));
        svg_path_end(&p);
        if (at < next || at + width > TIMELINE_WIDTH) {
            unnamed++;
            continue;
        }
        svg_text(t->to, "bad b halo", at + PX(8), y + PX(16), id);
        next = at + width + PX(10);
    }
    char text[48];
    snprintf(text, sizeof(text), "and %zu beside them", unnamed);
    if (unnamed > 0 && next + svg_text_width(text, false) <= TIMELINE_WIDTH)
        svg_text(t->to, "s", next, y + PX(16), text);
}
