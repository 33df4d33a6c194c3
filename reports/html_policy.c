#include "reports/html_meaning.h"

/* The policy, line by line: what its author wrote at the left, what it means and what the run found
 * at the right. The text is what the journal keeps of it (policy/quote.h). */

#define LINES_MOST \
    UINT64_C(500) /* of all files; past them only the lines around a note are shown */
#define AROUND 3
#define NOTES_A_LINE 6

struct sheet {
    struct html *h;
    const struct meaning *meaning;
    const char *file;
    bool brief; /* only lines around a note */
};

bool html_has_policy(const struct html *h)
{
    return json_array_size(json_object_get(h->report->journal->policy, "files")) > 0;
}

static bool is_at(struct source s, const char *file, uint64_t line)
{
    return s.file != NULL && s.line == line && strcmp(s.file, file) == 0;
}

/* The worst verdict that rests on a line, the first of its kind; NULL: none does. */
static const struct judged *verdict_at(const struct sheet *s, uint64_t line)
{
    for (size_t i = 0; i < s->h->row_count; i++) {
        if (is_at(s->h->rows[i]->verdict.policy_line, s->file, line))
            return s->h->rows[i];
    }
    return NULL;
}

static const json_t *finding_at(const struct sheet *s, uint64_t line, size_t *at)
{
    const json_t *list = json_object_get(s->h->report->journal->policy, "findings");
    for (; *at < json_array_size(list); (*at)++) {
        const json_t *f = json_array_get(list, *at);
        const char *file = json_string_value(json_object_get(f, "file"));
        if (file != NULL && strcmp(file, s->file) == 0 &&
            (uint64_t)json_integer_value(json_object_get(f, "line")) == line) {
            (*at)++;
            return f;
        }
    }
    return NULL;
}

static bool has_note(const struct sheet *s, uint64_t line)
{
    size_t at = 0;
    return verdict_at(s, line) != NULL || finding_at(s, line, &at) != NULL ||
           meaning_add(s->meaning, s->file, line, NULL);
}

static bool is_near_note(const struct sheet *s, uint64_t line)
{
    uint64_t from = line > AROUND ? line - AROUND : 1;
    for (uint64_t i = from; i <= line + AROUND; i++) {
        if (has_note(s, i))
            return true;
    }
    return false;
}

/* All verdicts of one line share a policy sentence; each claim is told with its word. */
static void add_note(struct sheet *s, uint64_t line)
{
    struct text *to = s->h->to;
    const char *said = NULL;
    size_t told = 0, more = 0;
    if (meaning_add(s->meaning, s->file, line, NULL)) {
        text_add(to, "<span class=\"mute\">");
        meaning_add(s->meaning, s->file, line, to);
        text_add(to, "</span>");
        told++;
    }
    for (size_t i = 0; i < s->h->row_count; i++) {
        const struct judged *d = s->h->rows[i];
        if (!is_at(d->verdict.policy_line, s->file, line))
            continue;
        if (told > NOTES_A_LINE) {
            more++;
            continue;
        }
        text_add(to, told++ == 0 ? "" : "<br>");
        html_verdict(to, d->verdict.kind);
        text_add(to, " <a class=\"m\" href=\"#c%zu\">%s</a> ", i + 1, d->claim->id);
        if (d->verdict.policy != NULL && (said == NULL || strcmp(said, d->verdict.policy) != 0))
            html_text(to, d->verdict.policy);
        said = d->verdict.policy;
    }
    if (more > 0)
        text_add(to, "<br>and %zu more", more);
    size_t at = 0;
    for (const json_t *f = finding_at(s, line, &at); f != NULL; f = finding_at(s, line, &at)) {
        text_add(to, "%s<b class=\"lintb\">lint</b> ", told++ == 0 ? "" : "<br>");
        html_text(to, json_string_value(json_object_get(f, "text")));
    }
}

static const char *line_class(const struct sheet *s, uint64_t line)
{
    const struct judged *worst = verdict_at(s, line);
    size_t at = 0;
    if (worst != NULL && worst->verdict.kind == VERDICT_FAIL)
        return "n-fail";
    if (worst != NULL && worst->verdict.kind == VERDICT_INCONCLUSIVE)
        return "n-inc";
    if (finding_at(s, line, &at) != NULL)
        return "n-lint";
    return worst != NULL ? "n-eff" : "n-none";
}

static void add_gap(struct sheet *s, uint64_t count, const char *why)
{
    if (count > 0)
        text_add(s->h->to,
                 "<tr class=\"n-gap\"><td class=\"ln\"></td><td class=\"cd\">%llu line%s "
                 "%s</td><td class=\"nt\"></td></tr>\n",
                 (unsigned long long)count, count == 1 ? "" : "s", why);
}

static void add_line(struct sheet *s, uint64_t line, struct bytes text)
{
    struct text *to = s->h->to;
    text_add(to, "<tr class=\"%s\"><td class=\"ln\">%llu</td><td class=\"cd\"><code>",
             line_class(s, line), (unsigned long long)line);
    html_bytes(to, text);
    text_add(to, "</code></td><td class=\"nt\">");
    add_note(s, line);
    text_add(to, "</td></tr>\n");
}

static void add_part(struct sheet *s, uint64_t from, const char *text)
{
    uint64_t skipped = 0;
    for (uint64_t line = from; text[0] != '\0'; line++) {
        size_t n = strcspn(text, "\n");
        if (s->brief && !is_near_note(s, line)) {
            skipped++;
        } else {
            add_gap(s, skipped, "more");
            skipped = 0;
            add_line(s, line, (struct bytes){(const uint8_t *)text, n});
        }
        text += n + (text[n] == '\n' ? 1 : 0);
    }
    add_gap(s, skipped, "more");
}

static uint64_t lines_of(const char *text)
{
    uint64_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void add_file(struct sheet *s, const json_t *file)
{
    const json_t *part;
    size_t i;
    uint64_t next = 1;
    text_add(s->h->to, "<table class=\"yaml\"><caption class=\"m\">");
    html_text(s->h->to, s->file);
    text_add(s->h->to, "</caption><thead class=\"sr\"><tr><th scope=\"col\">line</th><th "
                       "scope=\"col\">policy</th><th scope=\"col\">what it means here</th></tr>"
                       "</thead><tbody>\n");
    json_array_foreach(json_object_get(file, "parts"), i, part)
    {
        const char *text = json_string_value(json_object_get(part, "text"));
        json_int_t from = json_integer_value(json_object_get(part, "from"));
        if (text == NULL || from < (json_int_t)next)
            continue;
        add_gap(s, (uint64_t)from - next, "of other kinds are not kept");
        add_part(s, (uint64_t)from, text);
        next = (uint64_t)from + lines_of(text);
    }
    if (json_is_true(json_object_get(file, "cut")))
        add_gap(s, 1, "and more are not kept: the file is long");
    text_add(s->h->to, "</tbody></table>\n");
}

static uint64_t all_lines(const json_t *files)
{
    const json_t *file, *part;
    size_t i, k;
    uint64_t n = 0;
    json_array_foreach(files, i, file)
    {
        json_array_foreach(json_object_get(file, "parts"), k, part)
        {
            const char *text = json_string_value(json_object_get(part, "text"));
            n += text == NULL ? 0 : lines_of(text);
        }
    }
    return n;
}

void html_policy(struct html *h)
{
    const json_t *files = json_object_get(h->report->journal->policy, "files"), *file;
    size_t i;
    struct meaning meaning;
    struct sheet s = {
        .h = h, .meaning = &meaning, .brief = all_lines(files) > LINES_MOST >> (h->coarse / 2)};
    meaning_open(&meaning, h->report->journal);
    html_section(h->to, "policy", "The policy, read");
    text_add(h->to, "<p class=\"sub\">Left: your YAML. Right: what it means for ");
    html_text(h->to, report_policy_text(h->report->journal, "target"));
    text_add(h->to, ", and what the run found.%s</p>\n",
             s.brief ? " Only the lines around a finding are shown." : "");
    json_array_foreach(files, i, file)
    {
        s.file = json_string_value(json_object_get(file, "file"));
        if (s.file != NULL)
            add_file(&s, file);
    }
    meaning_release(&meaning);
    html_section_end(h->to);
}
