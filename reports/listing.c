#include "reports/listing.h"
#include "journal/arm.h"

#include "base/units.h"

#include <errno.h>

#define LISTING(name, argument, help) extern const struct listing listing_##name;
#include "reports/listings.def"
#undef LISTING

static const struct listing *const all[] = {
#define LISTING(name, argument, help) &listing_##name,
#include "reports/listings.def"
#undef LISTING
};

const struct listing *const *listings(size_t *ret_count)
{
    *ret_count = COUNT_OF(all);
    return all;
}

bool listing_write(const struct listing *listing, const struct scene *s, const char *of, FILE *to,
                   struct error *err)
{
    struct text text;
    if (listing->knows != NULL && !listing->knows(s, of, err))
        return false;
    text_init(&text, LISTING_MOST_BYTES);
    listing->write(s, of, &text);
    bool ok = !text.full ||
              error_set(err, ERROR_LIMIT, "the listing is longer than the %zu MiB that it may have",
                        LISTING_MOST_BYTES / 1024 / 1024);
    if (ok && fputs(text_get(&text), to) < 0)
        ok = error_system(err, errno, "writing the listing");
    text_release(&text);
    return ok;
}

struct picking {
    const struct listing *listing;
    const struct scene *scene;
    const char *of;
};

static bool keeps(const void *cookie, enum record_kind kind, const void *row)
{
    const struct picking *p = cookie;
    return p->listing->keeps(p->scene, p->of, kind, row);
}

bool listing_json(const struct listing *listing, const struct scene *s, const char *of, FILE *to,
                  struct error *err)
{
    struct picking picking = {listing, s, of};
    struct ndjson_pick pick = {.kinds = listing->kinds,
                               .phases = listing->phases,
                               .events = listing->events,
                               .keeps = listing->keeps == NULL ? NULL : keeps,
                               .cookie = &picking};
    return (listing->knows == NULL || listing->knows(s, of, err)) &&
           journal_print_picked(s->journal, &pick, to, err);
}

void listing_time(const struct scene *s, uint64_t t_ns, struct text *to)
{
    char at[40];
    uint64_t zero = report_zero_ns(s->journal);
    text_add(to, "%s%s", t_ns < zero ? "-" : "",
             units_print_time(t_ns < zero ? zero - t_ns : t_ns - zero, at, sizeof(at)));
}

const char *listing_arm(const struct scene *s, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(s->journal, proc);
    return p == NULL || p->arm == NULL || p->arm[0] == '\0' ? SUBJECT : p->arm;
}

static bool is_listed(const char *const *arms, size_t count, const char *arm)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(arms[i], arm) == 0)
            return true;
    return false;
}

const char **listing_arms(const struct scene *s, struct arena *arena, size_t *ret_count)
{
    const struct journal *j = s->journal;
    const char **arms = ARENA_ARRAY(arena, const char *, j->proc_count + j->phase_count + 1);
    size_t count = 0;
    arms[count++] = SUBJECT;
    for (size_t i = 0; i < j->phase_count + j->proc_count; i++) {
        const char *arm = i < j->phase_count ? j->phases[i].arm
                                             : listing_arm(s, j->procs[i - j->phase_count].proc);
        if (!is_listed(arms, count, arm))
            arms[count++] = arm;
    }
    *ret_count = count;
    return arms;
}

void listing_heading(const char *arm, size_t arms, struct text *to)
{
    if (arms < 2)
        return;
    text_add(to, "arm ");
    report_add_clean(to, arm_shown(arm));
    text_add(to, "\n");
}

void listing_verdict(const struct judged *d, struct text *to)
{
    size_t line = to->len;
    text_add(to, "  %s", verdict_kind_name(d->verdict.kind));
    text_pad(to, line, 16, 1);
    text_add(to, "%s", d->claim->id);
    text_pad(to, line, 34, 1);
    report_add_clean(to, d->on);
    text_add(to, "  ");
    report_add_clean(to, d->verdict.text);
    text_add(to, "\n");
}
