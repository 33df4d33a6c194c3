#include "reports/report.h"

#include <ctype.h>

#define WRITER(file, name, help) extern const struct report_writer report_writer_##file;
#include "journal/arm.h"
#include "reports/writers.def"
#undef WRITER

static const struct report_writer *const writers[] = {
#define WRITER(file, name, help) &report_writer_##file,
#include "reports/writers.def"
#undef WRITER
};

const struct report_writer *const *report_writers(size_t *ret_count)
{
    *ret_count = COUNT_OF(writers);
    return writers;
}

const struct report_writer *report_writer_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(writers); i++) {
        if (strcmp(writers[i]->name, name) == 0)
            return writers[i];
    }
    return NULL;
}

enum report_ending report_ending(const struct journal *j)
{
    if (j->end_how == NULL)
        return ENDED_NOT;
    if (strncmp(j->end_how, "complete", 8) == 0)
        return ENDED_COMPLETE;
    return strncmp(j->end_how, "aborted", 7) == 0 ? ENDED_ABORTED : ENDED_BROKEN;
}

int report_exit(const struct report *report)
{
    enum report_ending ending = report_ending(report->journal);
    enum verdict_kind outcome = report->judgement->outcome;
    if (outcome == VERDICT_FAIL)
        return 1;
    if (ending == ENDED_ABORTED)
        return 3;
    if (ending == ENDED_BROKEN)
        return 4;
    /* rows that the run did not write are no evidence: what they passed is not passed */
    bool whole = ending == ENDED_COMPLETE && journal_checksum_good(report->journal);
    if (outcome == VERDICT_PASS && whole)
        return 0;
    switch (report->on_inconclusive) {
    case INCONCLUSIVE_FAIL:
        return 1;
    case INCONCLUSIVE_PASS:
        return whole ? 0 : 2;
    case INCONCLUSIVE_KEEP:
        return 2;
    }
    UNREACHABLE();
}

const char *report_outcome(int exit_code)
{
    static const char *const names[REPORT_OUTCOMES] = {"PASS", "FAIL", "INCONCLUSIVE", "ABORTED",
                                                       "SURROUNDINGS"};
    INVARIANT(exit_code >= 0 && (size_t)exit_code < COUNT_OF(names));
    return names[exit_code];
}

const char *verdict_kind_name(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_PASS:
        return "PASS";
    case VERDICT_FAIL:
        return "FAIL";
    case VERDICT_INCONCLUSIVE:
        return "INCONCLUSIVE";
    case VERDICT_NOT_APPLICABLE:
        return "NOT APPLICABLE";
    }
    UNREACHABLE();
}

uint64_t report_zero_ns(const struct journal *j)
{
    uint64_t zero = UINT64_MAX;
    for (size_t i = 0; i < j->phase_count; i++) {
        if (j->phases[i].t0_ns < zero)
            zero = j->phases[i].t0_ns;
    }
    return zero == UINT64_MAX ? 0 : zero;
}

uint64_t report_end_ns(const struct journal *j)
{
    uint64_t last = report_zero_ns(j);
    for (size_t i = 0; i < j->phase_count; i++)
        if (j->phases[i].t1_ns != UINT64_MAX && j->phases[i].t1_ns > last)
            last = j->phases[i].t1_ns;
    return last;
}

void report_add_clean(struct text *to, const char *from)
{
    for (; from != NULL && *from != '\0'; from++) {
        char c = isprint((unsigned char)*from) ? *from : '?';
        text_add_bytes(to, (struct bytes){(const uint8_t *)&c, 1});
    }
}

json_t *report_clean_json(const char *from)
{
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    report_add_clean(&t, from);
    json_t *made = json_string(text_get(&t));
    text_release(&t);
    return made;
}

const struct journal_event *report_event(const struct journal *j, const char *what)
{
    for (size_t i = 0; i < j->event_count; i++) {
        const char *arm = json_string_value(json_object_get(j->events[i].json, "arm"));
        if (strcmp(j->events[i].what, what) == 0 && (arm == NULL || arm_is_subject(arm)))
            return &j->events[i];
    }
    return NULL;
}

const char *report_event_text(const struct journal_event *e, const char *key)
{
    const char *text = e == NULL ? NULL : json_string_value(json_object_get(e->json, key));
    return text == NULL ? "" : text;
}

const char *report_run_text(const struct journal *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j->run, key));
    return text == NULL ? "" : text;
}

const char *report_policy_text(const struct journal *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j->policy, key));
    return text == NULL ? "" : text;
}

bool report_lacks(const struct report *report, uint32_t scenario)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(report->journal->policy, "missing"), i, row)
    {
        if (json_integer_value(json_object_get(row, "scenario")) == (json_int_t)scenario)
            return report->plan != NULL && scenario < report->plan->scenario_count;
    }
    return false;
}
