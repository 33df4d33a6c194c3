#include "faults/fault.h"

struct replace {
    uint64_t status;
    const char *headers, *drop, *body;
    struct reply built, bodiless; /* by replace_prepare; the second gives an empty body */
};

static const struct param replace_params[] = {
    PARAM(struct replace, status, UNIT_COUNT, .least = 200, .most = 599, .help = "new status"),
    PARAM(struct replace, headers, UNIT_MAP, .help = "set"),
    PARAM(struct replace, drop, UNIT_TEXT, .list = true, .help = "headers removed"),
    PARAM(struct replace, body, UNIT_TEXT, .help = "new body"),
};

static bool has_no_body(uint64_t status)
{
    return status == 204 || status == 304;
}

static bool replace_check(const void *params, struct error *err)
{
    const struct replace *p = params;
    if (p->status == PARAM_UNSET && p->headers == NULL && p->drop == NULL && p->body == NULL)
        return error_set(err, ERROR_INPUT,
                         "fault.replace needs one of status, headers, drop and body");
    if (p->body != NULL && p->body[0] != '\0' && has_no_body(p->status))
        return error_set(err, ERROR_INPUT, "fault.replace: an answer of status %llu has no body",
                         (unsigned long long)p->status);
    return true;
}

static void replace_prepare(void *params, uint64_t seed, struct arena *arena)
{
    struct replace *p = params;
    json_t *drop = p->drop != NULL ? json_loads(p->drop, 0, NULL) : NULL;
    size_t count = 0;
    struct field *field = fault_fields(p->headers, json_array_size(drop), arena, &count);
    (void)seed;
    for (size_t i = 0; i < json_array_size(drop); i++) {
        const char *name = json_string_value(json_array_get(drop, i));
        field[count++] = (struct field){bytes_of(arena_strdup(arena, name)), {NULL, 0}};
    }
    json_decref(drop);
    p->built = (struct reply){.status = p->status == PARAM_UNSET ? 0 : (uint16_t)p->status,
                              .fields = {field, count},
                              .body = p->body != NULL ? bytes_of(p->body) : (struct bytes){0}};
    p->bodiless = p->built;
    p->bodiless.body = BYTES("");
}

/* A new status may also say that there is a body where none was, or none where one was: then the
 * answer gets an empty one, else what follows on the connection would be read amiss. 101 is no
 * answer but the beginning of a tunnel. */
static struct answer replace_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct replace *p = at->params;
    if (seen->side != SIDE_RESPONSE || seen->status == 101)
        return ANSWER_PASS;
    uint64_t status = p->status == PARAM_UNSET ? seen->status : p->status;
    bool emptied = has_no_body(status) ? p->body != NULL || !has_no_body(seen->status)
                                       : p->body == NULL && has_no_body(seen->status);
    return (struct answer){
        .act = ACT_REPLACE, .take = TAKE_ALL, .reply = emptied ? &p->bodiless : &p->built};
}

static uint32_t replace_moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE);
}

static void replace_print(const void *params, char *to, size_t size)
{
    const struct replace *p = params;
    const char *fields = p->headers != NULL || p->drop != NULL ? " headers" : "";
    const char *body = p->body != NULL ? " body" : "";
    if (p->status != PARAM_UNSET)
        snprintf(to, size, "replace status %llu%s%s", (unsigned long long)p->status, fields, body);
    else
        snprintf(to, size, "replace%s%s", fields, body);
}

static const struct stream_filter replace_filter = {.on_head = replace_on_head,
                                                    .moments = replace_moments};

const struct fault_type fault_replace = {
    .name = "replace",
    .help = "rewrite the answer",
    .example = "fault.replace { status = 200, drop = {\"etag\"}, body = \"{}\" }",
    .params = replace_params,
    .param_count = COUNT_OF(replace_params),
    .params_bytes = sizeof(struct replace),
    .check = replace_check,
    .existing = EXISTING_KEEP,
    .stream = &replace_filter,
    .prepare = replace_prepare,
    .print = replace_print,
};
