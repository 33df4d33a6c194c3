#include "load/wire.h"

#include "base/rng.h"
#include "journal/record.h"
#include "net/http1.h"

#include <ctype.h>

#define LINE_MOST_BYTES ((size_t)16 * 1024)
#define FIELDS_MOST_BYTES ((size_t)32 * 1024)
#define BODY_MOST_BYTES ((size_t)16 * 1024 * 1024)

/* Version 4 form, from the seed and the sequence. */
static void add_uuid(struct text *to, uint64_t seed, uint64_t seq)
{
    struct rng rng = rng_for(seed, 0x001d, seq, 0, 0);
    unsigned long long a = rng_next(&rng), b = rng_next(&rng);
    text_add(to, "%08llx-%04llx-4%03llx-%04llx-%012llx", a >> 32, a >> 16 & 0xffff, a & 0xfff,
             0x8000 | (b >> 48 & 0x3fff), b & 0xffffffffffff);
}

/* The request line, with {n}, {uuid} and {seed} filled in. */
static void make_line(struct wire *w, uint64_t seq)
{
    text_clear(&w->line);
    text_add(&w->line, "%s ", w->method);
    for (const char *p = w->path; *p != '\0';) {
        if (strncmp(p, "{n}", 3) == 0) {
            text_add(&w->line, "%llu", (unsigned long long)seq);
            p += 3;
        } else if (strncmp(p, "{uuid}", 6) == 0) {
            add_uuid(&w->line, w->seed, seq);
            p += 6;
        } else if (strncmp(p, "{seed}", 6) == 0) {
            text_add(&w->line, "%llu", (unsigned long long)w->seed);
            p += 6;
        } else {
            text_add_bytes(&w->line, (struct bytes){(const uint8_t *)p++, 1});
        }
    }
    text_add(&w->line, " HTTP/1.1\r\n");
}

static bool is_line_safe(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p <= ' ' || *p == 0x7f)
            return false;
    }
    return *text != '\0';
}

/* The fields that we set: twice would be a different request than the one that is recorded. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"host",           "content-length", "transfer-encoding",
                                       "connection",     "x-meshproof-id", "x-meshproof-from",
                                       "x-meshproof-tag"};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (bytes_equal_nocase(bytes_of(name), bytes_of(ours[i])))
            return true;
    }
    return false;
}

static bool add_headers(struct wire *w, const struct load_plan *plan, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(plan->headers, name, value)
    {
        const char *text = json_string_value(value);
        if (is_ours(name))
            return error_at(err, plan->source, ERROR_INPUT,
                            "headers: %.60s is set by the load itself", name);
        if (text == NULL || strpbrk(text, "\r\n") != NULL || !is_line_safe(name) ||
            strchr(name, ':') != NULL)
            return error_at(err, plan->source, ERROR_INPUT,
                            "headers has \"%.60s\", which is no header with a text of one line",
                            name);
        text_add(&w->fields, "%s: %s\r\n", name, text);
    }
    return true;
}

static void add_body(struct wire *w, const struct load_plan *plan, uint64_t seed)
{
    struct rng rng = rng_for(seed, 0xb0d7, 0, 0, 0);
    text_add(&w->end, "\r\n");
    size_t head = w->end.len;
    if (plan->body_text != NULL)
        text_add_bytes(&w->end, bytes_of(plan->body_text));
    for (uint64_t i = 0; plan->body_text == NULL && i < plan->body_bytes && !w->end.full; i++) {
        uint8_t letter = (uint8_t)('a' + rng_below(&rng, 26));
        text_add_bytes(&w->end, (struct bytes){&letter, 1});
    }
    w->body_bytes = w->end.len - head;
}

bool wire_init(struct wire *w, const struct wire_config *config, struct error *err)
{
    const struct load_plan *plan = config->plan;
    char id[48];
    *w = (struct wire){.path = plan->path != NULL ? plan->path : "/",
                       .method = plan->method != NULL ? plan->method : "GET",
                       .seed = config->seed};
    text_init(&w->line, LINE_MOST_BYTES);
    text_init(&w->fields, FIELDS_MOST_BYTES);
    text_init(&w->end, BODY_MOST_BYTES);
    if (!is_line_safe(w->method) || !is_line_safe(w->path) || w->path[0] != '/')
        return error_at(err, plan->source, ERROR_INPUT,
                        "\"%.20s %.60s\" is no request line; path begins with /", w->method,
                        w->path);
    w->varies = strstr(w->path, "{n}") != NULL || strstr(w->path, "{uuid}") != NULL;
    make_line(w, 0);
    record_id_print(config->id_hi, 0, id, sizeof(id));
    text_add(&w->fields, "host: %s\r\nx-meshproof-id: %s", config->authority, id);
    w->digits = w->fields.len - 16;
    text_add(&w->fields, "\r\nx-meshproof-from: %s\r\n", config->from);
    if (!add_headers(w, plan, err))
        return false;
    add_body(w, plan, config->seed);
    enum verb verb = http1_verb(bytes_of(w->method));
    if (w->body_bytes > 0 || verb == VERB_POST || verb == VERB_PUT || verb == VERB_PATCH)
        text_add(&w->fields, "content-length: %zu\r\n", w->body_bytes);
    if (plan->reuse == REUSE_EACH)
        text_add(&w->fields, "connection: close\r\n");
    if (w->line.full || w->fields.full || w->end.full)
        return error_at(err, plan->source, ERROR_LIMIT,
                        "the request is more than the 16KiB of path, 32KiB of headers and 16MiB of "
                        "body allowed");
    return true;
}

void wire_release(struct wire *w)
{
    text_release(&w->line);
    text_release(&w->fields);
    text_release(&w->end);
}

size_t wire_parts(struct wire *w, uint64_t seq, const char *tag, struct iovec parts[WIRE_PARTS])
{
    static const char hex[] = "0123456789abcdef";
    size_t count = 0;
    for (int i = 0; i < 16; i++)
        w->fields.at[w->digits + (size_t)i] = hex[seq >> (60 - 4 * i) & 15];
    if (w->varies)
        make_line(w, seq);
    parts[count++] = (struct iovec){w->line.at, w->line.len};
    parts[count++] = (struct iovec){w->fields.at, w->fields.len};
    if (tag != NULL) {
        int n = snprintf(w->tag, sizeof(w->tag), "x-meshproof-tag: %s\r\n", tag);
        parts[count++] = (struct iovec){w->tag, (size_t)n};
    }
    parts[count++] = (struct iovec){w->end.at, w->end.len};
    return count;
}
