#include "reports/otlp.h"

#include <inttypes.h>

json_t *otlp_text(const char *key, const char *value)
{
    return json_pack("{s:s, s:{s:o}}", "key", key, "value", "stringValue",
                     report_clean_json(value));
}

json_t *otlp_number(const char *key, uint64_t value)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, value);
    return json_pack("{s:s, s:{s:s}}", "key", key, "value", "intValue", number);
}

/* The first clock record was made when the wall time was read. */
static uint64_t begin_ns(const struct journal *j)
{
    uint64_t begin = report_zero_ns(j);
    for (size_t i = 0; i < j->clock_count; i++)
        if (j->clocks[i].r.at < begin || begin == 0)
            begin = j->clocks[i].r.at;
    return begin;
}

json_t *otlp_time(const struct journal *j, uint64_t at_ns)
{
    char number[24];
    uint64_t wall = (uint64_t)json_integer_value(json_object_get(j->run, "wall_ns")),
             begin = begin_ns(j);
    snprintf(number, sizeof(number), "%" PRIu64, wall + (at_ns < begin ? 0 : at_ns - begin));
    return json_string(number);
}

json_t *otlp_resource(const struct report *report)
{
    const struct journal *j = report->journal;
    return json_pack("{s:[o, o, o, o, o, o, o]}", "attributes",
                     otlp_text("service.name", "meshproof"),
                     otlp_text("service.version", report->version),
                     otlp_text("meshproof.run", report_run_text(j, "run")),
                     otlp_text("meshproof.seed", report_run_text(j, "seed")),
                     otlp_text("meshproof.suite", report->plan == NULL ? "" : report->plan->suite),
                     otlp_text("meshproof.target", report_policy_text(j, "target")),
                     otlp_text("meshproof.driver", report_policy_text(j, "driver")));
}

json_t *otlp_scope(const struct report *report)
{
    return json_pack("{s:s, s:s}", "name", "meshproof", "version", report->version);
}

bool otlp_write(json_t *take, FILE *to, struct error *err)
{
    bool ok = take != NULL && json_dumpf(take, to, JSON_COMPACT) == 0 && fputc('\n', to) != EOF;
    json_decref(take);
    return ok || error_set(err, ERROR_SYSTEM, "the report could not be written whole");
}
