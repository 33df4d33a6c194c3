/* layer: reports */
#include "reports/html.h"
#include "reports/report_fixture_test.h"

/* Any bytes in the texts of a journal: the page stays one page, with two scripts and one style, and
 * is UTF-8 without control characters. */

#define TEXTS 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The ${i}th part of the input, parted by 0xFE, as a text of a journal: without NUL. */
static char *part(const uint8_t *data, size_t size, size_t i)
{
    size_t at = 0, n = 0;
    for (; i > 0 && at < size; at++)
        i -= data[at] == 0xFE;
    while (at + n < size && n < 2000 && data[at + n] != 0xFE && data[at + n] != 0)
        n++;
    char *text = check_alloc(n + 1);
    memcpy(text, data + at, n);
    text[n] = '\0';
    return text;
}

static size_t count_of(const char *in, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(in, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

static void check_page(const char *page)
{
    struct bytes all = bytes_of(page);
    for (size_t at = 0, before = 0; at < all.len; before = at) {
        uint32_t c = html_decode(all, &at);
        /* a character that the page may not have is written as U+FFFD, which has three bytes */
        INVARIANT(c != 0xFFFD || at - before == 3);
    }
    INVARIANT(count_of(page, "<script") == 2 && count_of(page, "</script>") == 2);
    INVARIANT(count_of(page, "<style") == 1 && count_of(page, "<h1>") == 1);
    INVARIANT(strstr(page, " style=\"") == NULL && strstr(page, "<!--") == NULL);
}

static json_t *text_json(const char *text)
{
    char *copy = check_strdup(text);
    record_clean_text(copy, strlen(copy));
    json_t *json = json_string(copy);
    free(copy);
    INVARIANT(json != NULL);
    return json;
}

static void fill(struct report_fixture *f, char *const *text)
{
    json_t *finding = json_pack("{s:s, s:i}", "severity", "note", "line", 14);
    json_object_set_new(finding, "file", text_json(text[1]));
    json_object_set_new(finding, "text", text_json(text[2]));
    json_t *quote = json_pack("{s:i}", "from", 1);
    json_object_set_new(quote, "text", text_json(text[3]));
    json_t *file = json_pack("{s:[o]}", "parts", quote);
    json_object_set_new(file, "file", text_json(text[1]));
    json_decref(f->journal->policy);
    f->journal->policy = json_pack("{s:[o], s:[o]}", "findings", finding, "files", file);
    json_object_set_new(f->journal->policy, "target", text_json(text[4]));
    json_object_set_new(f->journal->run, "run", text_json(text[5]));
    f->judgement.verdicts[0].on = text[6];
    f->judgement.verdicts[0].verdict.text = text[0];
    f->judgement.verdicts[0].verdict.policy = text[2];
    f->judgement.verdicts[0].verdict.policy_line = (struct source){text[1], 14, 0};
    f->judgement.verdicts[1].verdict.needs = text[7];
    f->judgement.verdicts[2].phase_name = f->judgement.phases[0].name = text[8];
    f->judgement.faults[0].text = f->judgement.faults[0].on = text[9];
    f->judgement.controls[0].name = text[9];
    for (size_t i = 1; i < f->journal->name_count; i++)
        f->journal->names[i] = text[i % TEXTS];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report_fixture f;
    char *text[TEXTS];
    for (size_t i = 0; i < TEXTS; i++)
        text[i] = part(data, size, i);
    report_fixture_make(&f);
    fill(&f, text);
    char *page = report_fixture_write(&f, "html");
    check_page(page);
    free(page);
    report_fixture_release(&f);
    for (size_t i = 0; i < TEXTS; i++)
        free(text[i]);
    return 0;
}
