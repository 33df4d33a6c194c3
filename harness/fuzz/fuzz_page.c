/* layer: page */
#include "live/page/page_form.h"
#include "live/page/page_gate.h"

#include <jansson.h>

/* Any bytes as what a browser sends to a run's page: the first line its Cookie, the second its
 * Origin and Host, the rest a form. A value that comes out is text that fits; secrets are never
 * guessed. */

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static struct bytes take_line(struct bytes *in)
{
    size_t end = bytes_find(*in, '\n');
    struct bytes line = {in->at, end == SIZE_MAX ? in->len : end};
    size_t used = line.len + (end == SIZE_MAX ? 0 : 1);
    *in = (struct bytes){in->at + used, in->len - used};
    return line;
}

static void read_form(struct bytes form)
{
    static const char *const names[] = {"a", "number", "answer", "forgery", ""};
    char value[40];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool found = page_form_get(form, names[i], value, 1 + form.len % sizeof(value));
        json_t *text = json_string(value);
        INVARIANT(strlen(value) < sizeof(value) && text != NULL);
        INVARIANT(found || value[0] == '\0');
        json_decref(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct page_gate gate;
    struct error err = {0};
    struct bytes in = {at, len}, cookie = take_line(&in), origin = take_line(&in), path, query;
    enum page_who who;
    const char *why = NULL;
    if (gate.token[0] == '\0')
        INVARIANT(page_gate_init(&gate, "127.0.0.1:0", NULL, &err));
    struct field fields[] = {{BYTES("host"), BYTES("127.0.0.1:1")},
                             {BYTES("cookie"), cookie},
                             {BYTES("authorization"), cookie},
                             {BYTES("origin"), origin},
                             {BYTES("host"), origin}};
    for (size_t count = 4; count <= COUNT_OF(fields); count++) {
        uint16_t status = page_gate_check(&gate, (struct fields){fields, count}, true, &who, &why);
        INVARIANT(status == 400 || status == 401 || status == 403);
        INVARIANT(why != NULL && why[0] != '\0');
    }
    page_form_target(in, &path, &query);
    INVARIANT(path.len + query.len <= in.len);
    INVARIANT(!page_gate_opens(&gate, query) && !page_gate_is_ours(&gate, in));
    read_form(in);
    read_form(query);
    return 0;
}
