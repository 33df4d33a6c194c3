#include "reports/html.h"
#include "journal/arm.h"

/* The small parts of which the page's sections are made. */

const char *html_kind(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_PASS:
        return "pass";
    case VERDICT_FAIL:
        return "fail";
    case VERDICT_INCONCLUSIVE:
        return "inc";
    case VERDICT_NOT_APPLICABLE:
        return "none";
    }
    UNREACHABLE();
}

void html_glyph(struct text *to, const char *symbol)
{
    text_add(to, "<svg class=\"g\" aria-hidden=\"true\"><use href=\"#v-%s\"/></svg>", symbol);
}

void html_verdict(struct text *to, enum verdict_kind kind)
{
    text_add(to, "<span class=\"v %s\">", html_kind(kind));
    if (kind != VERDICT_NOT_APPLICABLE)
        html_glyph(to, html_kind(kind));
    text_add(to, "%s</span>", verdict_kind_name(kind));
}

void html_edge(struct text *to, const char *edge)
{
    const char *arrow = strstr(edge, " -> ");
    char side[400];
    if (arrow == NULL) {
        html_name(to, edge);
        return;
    }
    snprintf(side, sizeof(side), "%.*s", (int)(arrow - edge), edge);
    html_name(to, side);
    text_add(to, " \xE2\x86\x92 ");
    html_name(to, arrow + 4);
}

void html_mark(struct text *to, struct source source, const char *origin)
{
    char mark[600];
    if (source_format(source, false, mark, sizeof(mark)) > 0) {
        text_add(to, " <span class=\"src m\">");
        html_text(to, mark);
        text_add(to, "</span>");
    } else if (origin != NULL) {
        text_add(to, " <span class=\"src\">");
        html_text(to, origin);
        if (strncmp(origin, "default of ", 11) == 0)
            text_add(to, ", not in your YAML");
        text_add(to, "</span>");
    }
}

/* Line ${line} of a part that begins with line ${from}; an empty one: there is none. */
static struct bytes find_line(const char *text, uint64_t from, uint64_t line)
{
    for (; from < line; from++) {
        text = strchr(text, '\n');
        if (text == NULL)
            return (struct bytes){NULL, 0};
        text++;
    }
    return (struct bytes){(const uint8_t *)text, strcspn(text, "\n")};
}

const char *html_policy_line(const struct journal *j, struct source source, struct text *to)
{
    const json_t *files = json_object_get(j->policy, "files"), *file, *part;
    size_t i, k;
    text_clear(to);
    if (source.file == NULL || source.line == 0)
        return NULL;
    json_array_foreach(files, i, file)
    {
        const char *name = json_string_value(json_object_get(file, "file"));
        if (name == NULL || strcmp(name, source.file) != 0)
            continue;
        json_array_foreach(json_object_get(file, "parts"), k, part)
        {
            const char *text = json_string_value(json_object_get(part, "text"));
            json_int_t from = json_integer_value(json_object_get(part, "from"));
            if (text == NULL || from < 1 || (uint64_t)from > source.line)
                continue;
            struct bytes line = bytes_trim(find_line(text, (uint64_t)from, source.line));
            if (line.len == 0)
                continue;
            text_add_bytes(to, line);
            return text_get(to);
        }
    }
    return NULL;
}

void html_policy_of(struct html *h, const struct verdict *v)
{
    struct text line;
    text_init(&line, 4096);
    const char *written = html_policy_line(h->report->journal, v->policy_line, &line);
    if (written != NULL) {
        text_add(h->to, "<code class=\"q\">");
        html_text(h->to, written);
        text_add(h->to, "</code>");
    }
    html_mark(h->to, v->policy_line, v->policy_origin);
    text_release(&line);
}

void html_where(struct html *h, const struct judged *d)
{
    const struct plan *plan = h->report->plan;
    bool many = plan != NULL && plan->scenario_count > 1;
    if (d->ordinal == UINT32_MAX) {
        text_add(h->to, "over the whole scenario");
    } else {
        text_add(h->to, "in \xE2\x80\x9C");
        html_text(h->to, d->phase_name);
        text_add(h->to, "\xE2\x80\x9D");
    }
    if (many) {
        text_add(h->to, d->ordinal == UINT32_MAX ? " \xE2\x80\x9C" : " of \xE2\x80\x9C");
        html_text(h->to, d->scenario_name);
        text_add(h->to, "\xE2\x80\x9D");
    }
    if (!arm_is_subject(d->arm)) { /* an arm of several is in the scenario's name */
        text_add(h->to, ", arm ");
        html_text(h->to, d->arm);
    }
}

void html_command(struct text *to, const char *format, const char *run)
{
    const char *gap = strstr(format, "RUN");
    text_add(to, "<pre><code>");
    if (gap == NULL) {
        html_text(to, format);
    } else {
        html_bytes(to, (struct bytes){(const uint8_t *)format, (size_t)(gap - format)});
        html_text(to, run);
        html_text(to, gap + 3);
    }
    text_add(to, "</code></pre>\n");
}

void html_section(struct text *to, const char *name, const char *heading)
{
    text_add(to, "<section id=\"%s\" aria-labelledby=\"h-%s\"><h2 id=\"h-%s\">", name, name, name);
    html_text(to, heading);
    text_add(to, "</h2>");
}

void html_section_end(struct text *to)
{
    text_add(to, "</section>\n");
}
