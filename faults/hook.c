#include "faults/hook.h"

#include <string.h>

struct hook_params {
    const char *use, *with, *text;
    /* By hook_use_open. */
    struct hook *hook;
    const struct hook_engine *engine;
};

static const struct param hook_params[] = {
    PARAM(struct hook_params, use, UNIT_TEXT, .required = true, .help = "hook file"),
    PARAM(struct hook_params, with, UNIT_MAP, .plain = true, .help = "its parameters"),
    PARAM(struct hook_params, text, UNIT_TEXT,
          .help = "what the file holds, as a plan carries it; default: it is read"),
};

static bool hook_check(const void *params, struct error *err)
{
    const struct hook_params *p = params;
    if (p->use[0] == '\0')
        return error_set(err, ERROR_INPUT, "fault.hook: use is empty; it must be a file");
    if (p->text != NULL && strlen(p->text) > HOOK_FILE_MOST_BYTES)
        return error_set(err, ERROR_LIMIT, "fault.hook: %.80s is longer than the 64 KiB allowed",
                         p->use);
    return true;
}

static struct answer hook_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    const struct hook_params *p = at->params;
    return p->engine->on_accept(p->hook, at, seen);
}

static struct answer hook_on_handshake(struct filter_context *at, const struct handshake_view *seen)
{
    const struct hook_params *p = at->params;
    return p->engine->on_handshake(p->hook, at, seen);
}

static struct answer hook_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct hook_params *p = at->params;
    return p->engine->on_head(p->hook, at, seen);
}

static struct answer hook_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct hook_params *p = at->params;
    return p->engine->on_data(p->hook, at, seen);
}

static struct answer hook_on_end(struct filter_context *at, const struct end_view *seen)
{
    const struct hook_params *p = at->params;
    return p->engine->on_end(p->hook, at, seen);
}

static void hook_on_close(struct filter_context *at)
{
    const struct hook_params *p = at->params;
    p->engine->on_close(p->hook, at);
}

/* A use that was only checked, or is printed, is not open: then any moment may be one of its. */
static uint32_t hook_moments(const void *params)
{
    const struct hook_params *p = params;
    return p->hook != NULL ? p->engine->moments(p->hook)
                           : MOMENT_BIT(MOMENT_FIN, SIDE_RESPONSE) - 1;
}

static void hook_print(const void *params, char *to, size_t size)
{
    const struct hook_params *p = params;
    const char *slash = strrchr(p->use, '/');
    snprintf(to, size, "hook %.80s", slash != NULL ? slash + 1 : p->use);
}

static const struct stream_filter hook_filter = {
    .state_bytes = HOOK_STATE_BYTES,
    .on_accept = hook_on_accept,
    .on_handshake = hook_on_handshake,
    .on_head = hook_on_head,
    .on_data = hook_on_data,
    .on_end = hook_on_end,
    .on_close = hook_on_close,
    .moments = hook_moments,
};

const struct fault_type fault_hook = {
    .name = "hook",
    .help = "decided by a Lua hook",
    .example = "fault.hook { use = \"hooks/tag_router.lua\", with = { tier = \"gold\" } }",
    .params = hook_params,
    .param_count = COUNT_OF(hook_params),
    .params_bytes = sizeof(struct hook_params),
    .check = hook_check,
    .existing = EXISTING_KEEP,
    .stream = &hook_filter,
    .print = hook_print,
};

bool hook_use_open(struct fault_use *use, const struct hook_engine *engine,
                   const struct hook_host *host, struct error *err)
{
    struct hook_params *p = use->params;
    if (use->type != &fault_hook || p->hook != NULL)
        return true;
    if (engine == NULL)
        return error_set(err, ERROR_USAGE, "fault.hook: hooks cannot run here");
    struct hook_source from = {.path = p->use, .text = p->text, .with_json = p->with};
    if (!engine->open(&from, host, &p->hook, err)) {
        error_prefix(err, "fault.hook: ");
        return false;
    }
    p->engine = engine;
    return true;
}

bool hook_use_is_open(const struct fault_use *use)
{
    const struct hook_params *p = use->params;
    return use->type == &fault_hook && p->hook != NULL;
}

void hook_use_close(struct fault_use *use)
{
    struct hook_params *p = use->params;
    if (use->type != &fault_hook || p == NULL || p->hook == NULL) /* NULL: an error came first */
        return;
    p->engine->close(p->hook);
    p->hook = NULL;
}
