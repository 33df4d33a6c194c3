#include "faults/codes.h"
#include "faults/fault.h"

enum last { LAST_PROCESSED, LAST_NONE };
static const char *const last_words[] = {"processed", "none", NULL};
struct goaway {
    uint64_t code, last;
};

static const struct param goaway_params[] = {
    PARAM(struct goaway, code, UNIT_WORD, .fallback = "NO_ERROR", .words = codes_h2,
          .help = "error code name"),
    PARAM(struct goaway, last, UNIT_WORD, .fallback = "processed", .words = last_words,
          .help = "last stream id"),
};

/* Processed: the calls in flight, this one too, are finished, and then the connection closes. None:
 * last stream id 0, and they are lost. HTTP/1 has no GOAWAY: it lets pass, and has not fired. */
static struct answer goaway_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct goaway *p = at->params;
    if (seen->side != SIDE_REQUEST || !seen->call->is_h2)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_CLOSE,
                           .scope = p->last == LAST_NONE ? SCOPE_UNPROCESSED : SCOPE_CONNECTION,
                           .code = (uint32_t)p->code};
}

static uint32_t goaway_moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST);
}

static void goaway_print(const void *params, char *to, size_t size)
{
    const struct goaway *p = params;
    snprintf(to, size, "goaway %s, last stream %s", codes_h2[p->code], last_words[p->last]);
}

static const struct stream_filter goaway_filter = {.on_head = goaway_on_head,
                                                   .moments = goaway_moments};

const struct fault_type fault_goaway = {
    .name = "goaway",
    .help = "HTTP/2 GOAWAY; HTTP/1 it lets pass, and has not fired",
    .example = "fault.goaway { code = \"ENHANCE_YOUR_CALM\", last = \"none\" }",
    .params = goaway_params,
    .param_count = COUNT_OF(goaway_params),
    .params_bytes = sizeof(struct goaway),
    .existing = EXISTING_KEEP,
    .stream = &goaway_filter,
    .print = goaway_print,
};
