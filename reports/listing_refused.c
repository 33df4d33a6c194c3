/* show --refused: malformed and hostile bytes: whose they were, what they ended, and why. */
#include "reports/listing.h"

static void add(const struct scene *s, const struct refusal_row *row, struct text *to)
{
    const struct journal *j = s->journal;
    const struct refusal_record *r = &row->r;
    const struct journal_proc *proc = journal_proc_of(j, row->proc);
    const char *about = record_enum_name("about", r->about);
    listing_time(s, r->at, to);
    text_add(to, "  ");
    report_add_clean(to, proc == NULL ? "?" : proc->service);
    text_add(to, "/%u  connection %u", r->endpoint, r->conn);
    if (r->side != 0)
        text_add(to, " of the backend");
    if (r->mesh_conn != 0 && r->mesh_conn != r->conn)
        text_add(to, " for %u", r->mesh_conn);
    if (r->stream != 0)
        text_add(to, " stream %u", r->stream);
    else if (r->sequence != 0)
        text_add(to, " request %u", r->sequence);
    text_add(to, "  %-6s  ", about == NULL ? "?" : about);
    report_add_clean(to, journal_name(j, r->reason));
    text_add(to, "\n");
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    const struct journal *j = s->journal;
    (void)of;
    for (size_t i = 0; i < j->refusal_count; i++)
        add(s, &j->refusals[i], to);
    if (j->refusal_count == 0)
        text_add(to, "nothing was ended for what its peer had sent\n");
}

const struct listing listing_refused = {
    .name = "refused",
    .write = write,
    .kinds = NDJSON_KIND(RECORD_REFUSAL),
};
