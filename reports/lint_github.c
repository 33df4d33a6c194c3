#include "reports/lint_report.h"

#include "base/text.h"
#include "reports/report.h"

/* GitHub Actions workflow commands, one annotation a finding. In a message '%', CR and LF are
 * escaped, in a property ':' and ',' too (actions/toolkit, command.ts). */

static void add_escaped(struct text *to, const char *from, bool property)
{
    for (; from != NULL && *from != '\0'; from++) {
        char c = *from, one[2] = {c, '\0'};
        if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ',')))
            text_add(to, "%%%02X", (unsigned)(unsigned char)c);
        else if ((unsigned char)c >= 0x80) /* file names and texts may be UTF-8 */
            text_add_bytes(to, (struct bytes){(const uint8_t *)from, 1});
        else
            report_add_clean(to, one);
    }
}

static void add_finding(const struct finding *f, struct text *t)
{
    static const char *const commands[] = {"notice", "warning", "error"};
    text_add(t, "::%s ", commands[f->severity]);
    if (f->source.file != NULL) {
        const char *file = f->source.file;
        text_add(t, "file=");
        add_escaped(t, strncmp(file, "./", 2) == 0 ? file + 2 : file, true);
        if (f->source.line > 0)
            text_add(t, ",line=%u", f->source.line);
        if (f->source.column > 0)
            text_add(t, ",col=%u", f->source.column);
        text_add(t, ",");
    }
    text_add(t, "title=");
    add_escaped(t, f->rule, true);
    text_add(t, "::");
    add_escaped(t, f->text, false);
    if (f->fix != NULL && f->fix[0] != '\0') {
        text_add(t, "%%0Afix: ");
        add_escaped(t, f->fix, false);
    }
    text_add(t, "\n");
}

static bool write(const struct lint_report *report, FILE *to, struct error *err)
{
    struct text t;
    text_init(&t, (size_t)256 * 1024 * 1024);
    for (size_t i = 0; i < report->results.count; i++) {
        if (report->results.rows[i].accepted == NULL)
            add_finding(&report->results.rows[i].finding, &t);
    }
    bool ok = !t.full && fwrite(text_get(&t), 1, t.len, to) == t.len;
    text_release(&t);
    return ok || error_set(err, ERROR_SYSTEM, "the findings could not be written whole");
}

const struct lint_writer lint_writer_github = {
    "github", "workflow commands: annotations of GitHub Actions", write};
