/* probe (spec/scenario-language.md 1.7): the samples of one probe lie where they are wanted. */
#include "plan/probe.h"

#include "verify/claims.h"
#include "verify/window.h"

#include "base/units.h"

#define SAMPLES_LEAST 3

struct samples {
    uint64_t good, bad, missing, worst_ns;
    double worst;
};

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

static void look(const struct window *w, const struct probe_plan *p, struct samples *ret)
{
    const struct journal *j = w->journal;
    /* A sample of the client tells of the time before it. */
    uint64_t from_ns = w->span.from_ns + (p->kind == PROBE_CLIENT ? p->every_ns : 0);
    for (size_t i = 0; i < j->sample_count; i++) {
        const struct sample_record *r = &j->samples[i].r;
        if (r->at < from_ns || r->at >= w->span.to_ns ||
            strcmp(journal_name(j, r->probe), p->name) != 0)
            continue;
        if (r->missing != 0) {
            ret->missing++;
        } else if (probe_wanted(p, w->asked->keys, r->value)) {
            ret->good++;
        } else if (ret->bad++ == 0) {
            ret->worst_ns = r->at;
            ret->worst = r->value;
        }
    }
}

static uint64_t asked_ppm(const struct window *w)
{
    uint64_t ppm = 1000000;
    const char *text = window_key(w, "atleast");
    return text != NULL && units_parse_share(text, &ppm, NULL) ? ppm : 1000000;
}

/* ${good} of ${all} is at least what is asked. */
static bool enough(uint64_t good, uint64_t all, uint64_t ppm)
{
    return good * 1000000 >= all * ppm;
}

static const char *bound_text(const struct window *w, const char *key, struct arena *arena)
{
    const json_t *value = json_object_get(w->asked->keys, key);
    if (value == NULL)
        return "";
    if (json_is_string(value))
        return arena_printf(arena, " %s %s", key, json_string_value(value));
    return arena_printf(arena, " %s %.6g", key, json_number_value(value));
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const char *name = window_key(w, "probe");
    const struct probe_plan *p =
        w->scenario == NULL || name == NULL ? NULL : probe_find(w->scenario, name);
    struct samples s = {0};
    char value[40];
    (void)edge;
    if (p == NULL) {
        verdict_open(ret, WHY_CAPABILITY, arena, "the journal has no such probe");
        return;
    }
    const char *wanted = arena_printf(arena, "%s%s%s", p->name, bound_text(w, "above", arena),
                                      bound_text(w, "below", arena));
    verdict_policy(ret, NULL, arena, "%s", wanted);
    look(w, p, &s);
    uint64_t all = s.good + s.bad + s.missing, ppm = asked_ppm(w);
    ret->unit = "samples";
    ret->eligible = s.good + s.bad;
    ret->wrong = s.bad;
    ret->needed = SAMPLES_LEAST;
    if (s.good + s.bad < SAMPLES_LEAST) {
        verdict_open(ret, WHY_TOO_FEW, arena, "%llu samples with a value, %llu without",
                     (unsigned long long)(s.good + s.bad), (unsigned long long)s.missing);
        ret->needs = "a longer phase, or a probe that is asked more often";
    } else if (!enough(s.good + s.missing, all, ppm)) {
        window_witness(ret, NULL, s.worst_ns);
        verdict_fail(ret, arena, "%llu of %llu samples are not %s, the first of them %s",
                     (unsigned long long)s.bad, (unsigned long long)all, wanted,
                     probe_print(p, s.worst, value, sizeof(value)));
    } else if (!enough(s.good, all, ppm)) {
        verdict_open(ret, WHY_TOO_FEW, arena, "%llu of %llu samples have no value",
                     (unsigned long long)s.missing, (unsigned long long)all);
        ret->needs = "a probe that answers";
    } else {
        verdict_pass(ret, arena, "%s in %llu of %llu samples", wanted, (unsigned long long)s.good,
                     (unsigned long long)all);
    }
}

const struct claim_type claim_probe = {
    .id = "probe",
    .word = "probe",
    .only = "probe",
    .help = "the samples of one probe lie where they are wanted",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
