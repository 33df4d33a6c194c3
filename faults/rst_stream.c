#include "faults/codes.h"
#include "faults/fault.h"

enum when { WHEN_HEAD, WHEN_BODY };
static const char *const when_words[] = {"head", "body", NULL};
struct rst_stream {
    uint64_t code, when;
};

static const struct param rst_stream_params[] = {
    PARAM(struct rst_stream, code, UNIT_WORD, .fallback = "REFUSED_STREAM", .words = codes_h2,
          .help = "error code name"),
    PARAM(struct rst_stream, when, UNIT_WORD, .fallback = "head", .words = when_words,
          .help = "moment"),
};

static struct answer rst_stream_now(const struct rst_stream *p)
{
    return (struct answer){.act = ACT_RESET, .scope = SCOPE_STREAM, .code = (uint32_t)p->code};
}

/* Head: the request's, so that REFUSED_STREAM tells the truth, for the backend has not run. Body:
 * the answer's, behind its head. HTTP/1 has no streams: it lets pass, and has not fired. */
static struct answer rst_stream_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct rst_stream *p = at->params;
    if (p->when != WHEN_HEAD || seen->side != SIDE_REQUEST || !seen->call->is_h2)
        return ANSWER_PASS;
    return rst_stream_now(p);
}

static struct answer rst_stream_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct rst_stream *p = at->params;
    if (p->when != WHEN_BODY || seen->side != SIDE_RESPONSE || !seen->call->is_h2)
        return ANSWER_PASS;
    return rst_stream_now(p);
}

static uint32_t rst_stream_moments(const void *params)
{
    const struct rst_stream *p = params;
    return p->when == WHEN_HEAD ? MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST)
                                : MOMENT_BIT(MOMENT_DATA, SIDE_RESPONSE);
}

static void rst_stream_print(const void *params, char *to, size_t size)
{
    const struct rst_stream *p = params;
    snprintf(to, size, "rst_stream %s at %s", codes_h2[p->code], when_words[p->when]);
}

static const struct stream_filter rst_stream_filter = {
    .on_head = rst_stream_on_head, .on_data = rst_stream_on_data, .moments = rst_stream_moments};

const struct fault_type fault_rst_stream = {
    .name = "rst_stream",
    .help = "HTTP/2 RST_STREAM; HTTP/1 it lets pass, and has not fired",
    .example = "fault.rst_stream { code = \"ENHANCE_YOUR_CALM\" }",
    .params = rst_stream_params,
    .param_count = COUNT_OF(rst_stream_params),
    .params_bytes = sizeof(struct rst_stream),
    .existing = EXISTING_KEEP,
    .stream = &rst_stream_filter,
    .print = rst_stream_print,
};
