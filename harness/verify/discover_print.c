/* What was discovered, as text and as JSON. */
#include "verify/discover.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

static const char *const verdict_names[] = {[DISCOVER_SAME] = "same",
                                            [DISCOVER_DIFFERS] = "DIFFERS",
                                            [DISCOVER_OPEN] = "not told",
                                            [DISCOVER_ALONE] = "-"};

static void one(const struct discovered *row, uint64_t number, struct text *to)
{
    char text[32];
    if (row->unit == DISCOVER_NS)
        text_add(to, "%s",
                 units_print_duration((number + NS_PER_MS / 2) / NS_PER_MS * NS_PER_MS, text,
                                      sizeof(text)));
    else
        text_add(to, "%llu%s", (unsigned long long)number,
                 row->unit == DISCOVER_PERCENT ? " %" : "");
}

/* "600ms (598ms..603ms)" */
static const char *seen(const struct discovered *row, struct text *to)
{
    text_clear(to);
    if (!row->known)
        return "?";
    if (row->unit == DISCOVER_WORD)
        return row->word;
    if (row->none)
        return "none";
    one(row, row->best, to);
    if (row->least != row->best || row->most != row->best) {
        text_add(to, " (");
        one(row, row->least, to);
        text_add(to, "..");
        one(row, row->most, to);
        text_add(to, ")");
    }
    return text_get(to);
}

void discovery_print(const struct discovery *d, struct text *to)
{
    struct text value;
    text_init(&value, 4096);
    text_add(to, "%s -> %s as it behaves: %llu requests, %llu tries, %u endpoints\n",
             d->declared.from, d->declared.to, (unsigned long long)d->requests,
             (unsigned long long)d->tries, d->declared.endpoints);
    text_add(to, "  %-29s %-30s %-22s %s\n", "", "seen", "declared", "");
    for (size_t i = 0; i < d->count; i++) {
        const struct discovered *row = &d->rows[i];
        char mark[300] = "";
        text_add(to, "  %-29s %-30s %-22s %s\n", row->name, seen(row, &value),
                 row->declared == NULL ? "-" : row->declared, verdict_names[row->verdict]);
        if (row->mark.source.file != NULL)
            source_format(row->mark.source, false, mark, sizeof(mark));
        if (row->how != NULL || mark[0] != '\0')
            text_add(to, "  %-29s %s%s%s\n", "", row->how == NULL ? "" : row->how,
                     row->how != NULL && mark[0] != '\0' ? "; declared at " : "", mark);
    }
    text_release(&value);
}

static json_t *row_json(const struct discovered *row)
{
    json_t *j = json_pack("{s:s, s:s, s:b, s:s*, s:s*, s:I, s:I}", "name", row->name, "verdict",
                          row->verdict == DISCOVER_SAME      ? "same"
                          : row->verdict == DISCOVER_DIFFERS ? "differs"
                          : row->verdict == DISCOVER_OPEN    ? "open"
                                                             : "alone",
                          "known", row->known, "how", row->how, "declared", row->declared, "agree",
                          (json_int_t)row->agree, "instances", (json_int_t)row->instances);
    if (j == NULL || !row->known)
        return j;
    if (row->unit == DISCOVER_WORD)
        json_object_set_new(j, "seen", json_string(row->word));
    else if (row->none)
        json_object_set_new(j, "seen", json_null());
    else
        json_object_update_new(j,
                               json_pack("{s:I, s:I, s:I}", "seen", (json_int_t)row->best, "least",
                                         (json_int_t)row->least, "most", (json_int_t)row->most));
    return j;
}

json_t *discovery_to_json(const struct discovery *d)
{
    static const char *const outcomes[] = {[VERDICT_PASS] = "same",
                                           [VERDICT_FAIL] = "differs",
                                           [VERDICT_INCONCLUSIVE] = "open",
                                           [VERDICT_NOT_APPLICABLE] = "open"};
    json_t *rows = json_array();
    for (size_t i = 0; i < d->count; i++)
        json_array_append_new(rows, row_json(&d->rows[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "from", d->declared.from, "to", d->declared.to,
                     "outcome", outcomes[discovery_outcome(d)], "values", rows, "policy",
                     edge_policy_to_json(&d->found));
}
