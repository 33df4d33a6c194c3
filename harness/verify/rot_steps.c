#include "verify/rot_steps.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdlib.h>

#define TTL_USUAL_NS (24 * 3600 * NS_PER_S) /* of cert.issue and cert.rotate */

static const char *text_of(const struct step *s, struct arena *arena)
{
    const char *add = step_text(s, "add", NULL), *drop = step_text(s, "drop", NULL),
               *root = step_text(s, "root", NULL), *to = step_text(s, "to", NULL);
    return arena_printf(arena, "%s%s%s%s%s%s%s%s%s", s->word, add != NULL ? " add " : "",
                        add != NULL ? add : "", drop != NULL ? " drop " : "",
                        drop != NULL ? drop : "", root != NULL ? " " : "", root != NULL ? root : "",
                        to != NULL ? " to " : "", to != NULL ? to : "");
}

static uint64_t ttl_of(const struct step *s)
{
    uint64_t ns = TTL_USUAL_NS;
    struct error err = {0};
    const char *text = step_text(s, "ttl", NULL);
    if (strcmp(s->word, "trust") == 0)
        return 0;
    return text != NULL && units_parse_duration(text, &ns, &err) ? ns : TTL_USUAL_NS;
}

struct collecting {
    struct arena *arena;
    struct rot_step *at;
    size_t count, most;
};

static void collect(struct collecting *c, const struct step *steps, size_t count, uint64_t base_ns)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (s->kind == STEP_CERT && c->count < c->most) {
            struct rot_step *new = &c->at[c->count++];
            *new = (struct rot_step){.text = text_of(s, c->arena),
                                     .source = s->source,
                                     .begin_ns = base_ns,
                                     .ttl_ns = ttl_of(s)};
            /* A verdict outlives the plan. */
            if (s->source.file != NULL)
                new->source.file = arena_strdup(c->arena, s->source.file);
        }
        bool later = s->kind == STEP_AT || s->kind == STEP_DURING;
        collect(c, s->steps, s->step_count, base_ns + (later ? s->from_ns : 0));
    }
}

static int by_begin(const void *a, const void *b)
{
    const struct rot_step *x = a, *y = b;
    return x->begin_ns < y->begin_ns ? -1 : x->begin_ns > y->begin_ns;
}

static size_t merge(struct rot_step *at, size_t count, struct arena *arena)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || at[kept - 1].begin_ns != at[i].begin_ns) {
            at[kept++] = at[i];
            continue;
        }
        struct rot_step *same = &at[kept - 1];
        same->text = arena_printf(arena, "%s, %s", same->text, at[i].text);
        same->ttl_ns = at[i].ttl_ns > same->ttl_ns ? at[i].ttl_ns : same->ttl_ns;
    }
    return kept;
}

size_t rot_steps(const struct shakes *s, const struct window *w, struct arena *arena,
                 struct rot_step *ret, size_t most)
{
    struct collecting c = {arena, ret, 0, most};
    if (w->phase == NULL)
        return 0;
    collect(&c, w->phase->steps, w->phase->step_count, w->span.from_ns);
    qsort(ret, c.count, sizeof(*ret), by_begin);
    size_t count = merge(ret, c.count, arena);
    for (size_t i = 0; i < count; i++) {
        struct rot_step *step = &ret[i];
        step->end_ns = i + 1 < count ? ret[i + 1].begin_ns : w->span.to_ns;
        step->end_ns = step->end_ns < w->span.to_ns ? step->end_ns : w->span.to_ns;
        step->settled_ns = step->begin_ns;
        /* A swap belongs to the last step that was due when it was done. */
        for (size_t k = 0; k < s->swap_count; k++) {
            const struct swap *swap = &s->swaps[k];
            if (swap->from_ns < step->begin_ns || swap->from_ns >= step->end_ns)
                continue;
            step->changed = true;
            step->settled_ns = swap->to_ns > step->settled_ns ? swap->to_ns : step->settled_ns;
        }
    }
    return count;
}
