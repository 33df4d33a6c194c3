#include "live/page/page_text.h"

#include <stddef.h>

#include "embed/dashboard_css.h"
#include "embed/dashboard_html.h"
#include "embed/dashboard_js.h"

const char page_text_policy[] =
    "default-src 'none'; style-src 'sha256-" embed_dashboard_css_sha256
    "'; script-src 'sha256-" embed_dashboard_js_sha256
    "'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#define PAGE_HEAD \
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" " \
    "content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light " \
    "dark\">"
const char page_text_stranger[] = PAGE_HEAD
    "<title>meshproof: a token is needed</title></head><body><main><h1>This run's page needs its "
    "token</h1><p>Open the address that <code>meshproof run</code> printed, with "
    "<code>?token=</code> in it.</p></main></body></html>\n";
const char page_text_enter[] = PAGE_HEAD
    "<meta http-equiv=\"refresh\" content=\"0;url=/\"><title>meshproof: a run</title></head>"
    "<body><main><h1>A run of meshproof</h1><p><a href=\"/\">Go on to the page</a></p></main>"
    "</body></html>\n";

static const struct part {
    const char *name;
    const unsigned char *text;
    const size_t *len;
} parts[] = {
    {"style", embed_dashboard_css, &embed_dashboard_css_len},
    {"script", embed_dashboard_js, &embed_dashboard_js_len},
};

/* The template has @style@, @script@ and @forgery@, and no other '@'. */
void page_text_write(const char *forgery, struct text *to)
{
    struct bytes rest = {embed_dashboard_html, embed_dashboard_html_len};
    size_t from, end;
    while ((from = bytes_find(rest, '@')) != SIZE_MAX) {
        text_add_bytes(to, (struct bytes){rest.at, from});
        rest = (struct bytes){rest.at + from + 1, rest.len - from - 1};
        end = bytes_find(rest, '@');
        INVARIANT(end != SIZE_MAX);
        struct bytes name = {rest.at, end}, value = {0};
        for (size_t i = 0; i < COUNT_OF(parts); i++)
            if (bytes_equal(name, bytes_of(parts[i].name)))
                value = (struct bytes){parts[i].text, *parts[i].len};
        if (bytes_equal(name, BYTES("forgery")))
            value = bytes_of(forgery);
        INVARIANT(value.at != NULL);
        text_add_bytes(to, value);
        rest = (struct bytes){rest.at + end + 1, rest.len - end - 1};
    }
    text_add_bytes(to, rest);
}
