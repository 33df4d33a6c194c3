#include "policy/yaml.h"

#include "base/map.h"

#include <libfyaml.h>
#include <stdlib.h>

struct reader {
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct arena *arena;
    const char *file;
    size_t nodes_left;
    struct map anchors; /* name -> node, of this document */
    /* Children of all collections that are open, innermost last; copied out when one closes. */
    struct yaml_pair *stack;
    size_t used, capacity;
    struct error *err;
};

static struct source mark_of(const struct reader *r, struct fy_token *token, struct source fallback)
{
    const struct fy_mark *mark = token == NULL ? NULL : fy_token_start_mark(token);
    if (mark == NULL || mark->line < 0 || mark->column < 0)
        return fallback;
    return (struct source){r->file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

static bool bad(struct reader *r, struct source at, const char *text)
{
    return error_at(r->err, at, ERROR_INPUT, "%s", text);
}

/* libfyaml's first complaint as ours. */
static bool parser_failed(struct reader *r)
{
    void *prev = NULL;
    const struct fy_diag_error *first = fy_diag_errors_iterate(r->diag, &prev);
    struct source at = {r->file, 0, 0};
    if (first == NULL || first->msg == NULL)
        return bad(r, at, "is not YAML");
    if (first->line > 0)
        at = (struct source){r->file, (uint32_t)first->line,
                             first->column > 0 ? (uint32_t)first->column : 1};
    return error_at(r->err, at, ERROR_INPUT, "is not YAML: %.160s", first->msg);
}

static bool push(struct reader *r, struct yaml_pair pair)
{
    if (r->used == r->capacity) {
        r->capacity = r->capacity == 0 ? 64 : r->capacity * 2;
        r->stack = check_realloc(r->stack, r->capacity * sizeof(*r->stack));
    }
    r->stack[r->used++] = pair;
    return true;
}

static struct yaml_node *node_new(struct reader *r, enum yaml_kind kind, struct source at)
{
    if (r->nodes_left == 0) {
        error_at(r->err, at, ERROR_LIMIT, "has more than %zu YAML nodes, aliases expanded",
                 YAML_MAX_NODES);
        return NULL;
    }
    r->nodes_left--;
    struct yaml_node *n = ARENA_ARRAY(r->arena, struct yaml_node, 1);
    *n = (struct yaml_node){.kind = kind, .height = 1, .weight = 1, .source = at};
    return n;
}

static bool anchor_add(struct reader *r, struct fy_token *anchor, struct yaml_node *node)
{
    size_t len = 0;
    if (anchor == NULL)
        return true;
    const char *name = fy_token_get_text(anchor, &len);
    uint64_t *slot = name == NULL ? NULL : map_at(&r->anchors, map_key_of(name, len), NULL);
    if (slot == NULL)
        return error_at(r->err, node->source, ERROR_LIMIT, "has more than %zu anchors",
                        YAML_MAX_ANCHORS);
    *slot = (uint64_t)(uintptr_t)node;
    return true;
}

/* The target of an alias, shared; its nodes are paid for again. */
static const struct yaml_node *alias(struct reader *r, struct fy_token *token, unsigned depth,
                                     struct source fallback)
{
    size_t len = 0;
    const char *name = fy_token_get_text(token, &len);
    struct source at = mark_of(r, token, fallback);
    const uint64_t *slot = name == NULL ? NULL : map_find(&r->anchors, map_key_of(name, len));
    if (slot == NULL) {
        error_at(r->err, at, ERROR_INPUT,
                 "alias \"*%.*s\" has no anchor before it (path aliases and merges are not read)",
                 (int)(len > 60 ? 60 : len), name == NULL ? "" : name);
        return NULL;
    }
    const struct yaml_node *target = (const struct yaml_node *)(uintptr_t)*slot;
    if (target->open) {
        bad(r, at, "an alias stands within its own anchor");
        return NULL;
    }
    if (target->weight > r->nodes_left) {
        error_at(r->err, at, ERROR_LIMIT, "has more than %zu YAML nodes, aliases expanded",
                 YAML_MAX_NODES);
        return NULL;
    }
    if (depth + target->height - 1 > YAML_MAX_DEPTH) {
        error_at(r->err, at, ERROR_LIMIT, "is nested deeper than %d levels", YAML_MAX_DEPTH);
        return NULL;
    }
    r->nodes_left -= target->weight;
    return target;
}

static bool text_of(struct reader *r, struct fy_token *value, struct source at, const char **ret)
{
    size_t len = 0;
    const char *text = value == NULL ? "" : fy_token_get_text(value, &len);
    if (text == NULL)
        return bad(r, at, "a scalar's text cannot be read");
    if (memchr(text, 0, len) != NULL)
        return bad(r, at, "a scalar holds a NUL character");
    *ret = arena_strndup(r->arena, text, len);
    return true;
}

static struct yaml_node *scalar(struct reader *r, struct fy_event *event, struct source fallback)
{
    struct fy_token *value = event->scalar.value;
    struct yaml_node *n = node_new(r, YAML_SCALAR, mark_of(r, value, fallback));
    if (n == NULL || !text_of(r, value, n->source, &n->text))
        return NULL;
    size_t len = 0;
    const char *tag = event->scalar.tag == NULL ? NULL : fy_token_get_text(event->scalar.tag, &len);
    bool as_text = tag != NULL && len >= 3 && memcmp(tag + len - 3, "str", 3) == 0;
    n->plain = fy_token_scalar_style(value) == FYSS_PLAIN && !as_text;
    return n;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct yaml_pair *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    if (order != 0)
        return order;
    if (x->source.line != y->source.line)
        return x->source.line < y->source.line ? -1 : 1;
    return x->source.column < y->source.column ? -1 : x->source.column > y->source.column;
}

/* Sorts a copy: a quadratic check would be a way to hang us. */
static bool keys_differ(struct reader *r, const struct yaml_pair *pairs, size_t count)
{
    const struct yaml_pair *twice = NULL, *once = NULL;
    struct yaml_pair *sorted = check_alloc((count + 1) * sizeof(*sorted));
    if (count > 0)
        memcpy(sorted, pairs, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_pairs);
    for (size_t i = 1; i < count && twice == NULL; i++) {
        if (strcmp(sorted[i - 1].key, sorted[i].key) == 0) {
            once = &sorted[i - 1];
            twice = &sorted[i];
        }
    }
    if (twice != NULL)
        error_at(r->err, twice->source, ERROR_INPUT, "key \"%.80s\" stands twice, first in line %u",
                 twice->key, once->source.line);
    free(sorted);
    return twice == NULL;
}

static bool close_node(struct reader *r, struct yaml_node *n, size_t base)
{
    n->count = r->used - base;
    struct yaml_pair *pairs = ARENA_ARRAY(r->arena, struct yaml_pair, n->count + 1);
    for (size_t i = 0; i < n->count; i++) {
        pairs[i] = r->stack[base + i];
        n->weight += pairs[i].value->weight;
        if (pairs[i].value->height >= n->height)
            n->height = pairs[i].value->height + 1;
    }
    r->used = base;
    n->pairs = pairs;
    n->open = false;
    return n->kind != YAML_MAP || keys_differ(r, pairs, n->count);
}

static struct fy_event *next(struct reader *r)
{
    struct fy_event *event = fy_parser_parse(r->parser);
    if (event == NULL || fy_parser_get_stream_error(r->parser)) {
        if (event != NULL)
            fy_parser_event_free(r->parser, event);
        parser_failed(r);
        return NULL;
    }
    return event;
}

static const struct yaml_node *value(struct reader *r, struct fy_event *event, unsigned depth,
                                     struct source fallback);

/* The key of the next pair from its event; false on an error. */
static bool key(struct reader *r, struct fy_event *event, struct source fallback,
                struct yaml_pair *ret)
{
    struct source at = fallback;
    if (event->type == FYET_ALIAS) {
        const struct yaml_node *target = alias(r, event->alias.anchor, 1, fallback);
        if (target == NULL)
            return false;
        if (target->kind != YAML_SCALAR)
            return bad(r, mark_of(r, event->alias.anchor, at), "a key must be text");
        *ret = (struct yaml_pair){.key = target->text,
                                  .source = mark_of(r, event->alias.anchor, fallback)};
        return true;
    }
    if (event->type != FYET_SCALAR)
        return bad(r, mark_of(r, fy_event_get_token(event), at), "a key must be text");
    struct yaml_node *n = scalar(r, event, fallback);
    if (n == NULL || !anchor_add(r, event->scalar.anchor, n))
        return false;
    if (n->plain && strcmp(n->text, "<<") == 0)
        return bad(r, n->source,
                   "merge key \"<<\" is not read in policy files: write the fields out");
    *ret = (struct yaml_pair){.key = n->text, .source = n->source};
    return true;
}

/* All children of ${n} up to its end event. */
static bool children(struct reader *r, struct yaml_node *n, unsigned depth)
{
    size_t base = r->used;
    enum fy_event_type end = n->kind == YAML_MAP ? FYET_MAPPING_END : FYET_SEQUENCE_END;
    struct source last = n->source;
    for (;;) {
        struct yaml_pair pair = {.source = last};
        struct fy_event *event = next(r);
        if (event == NULL)
            return false;
        if (event->type == end) {
            fy_parser_event_free(r->parser, event);
            return close_node(r, n, base);
        }
        if (n->kind == YAML_MAP) {
            bool good = key(r, event, last, &pair);
            fy_parser_event_free(r->parser, event);
            if (!good || (event = next(r)) == NULL)
                return false;
        }
        pair.value = value(r, event, depth + 1, pair.source);
        fy_parser_event_free(r->parser, event);
        if (pair.value == NULL)
            return false;
        if (n->kind == YAML_SEQUENCE)
            pair.source = pair.value->source;
        last = pair.source;
        push(r, pair);
    }
}

static const struct yaml_node *value(struct reader *r, struct fy_event *event, unsigned depth,
                                     struct source fallback)
{
    if (event->type == FYET_ALIAS)
        return alias(r, event->alias.anchor, depth, fallback);
    if (event->type == FYET_SCALAR) {
        struct yaml_node *n = scalar(r, event, fallback);
        return n != NULL && anchor_add(r, event->scalar.anchor, n) ? n : NULL;
    }
    bool map = event->type == FYET_MAPPING_START;
    if (!map && event->type != FYET_SEQUENCE_START) {
        bad(r, fallback, "is not YAML: a value is missing");
        return NULL;
    }
    struct fy_token *start =
        map ? event->mapping_start.mapping_start : event->sequence_start.sequence_start;
    struct source at = mark_of(r, start, fallback);
    if (depth > YAML_MAX_DEPTH) {
        error_at(r->err, at, ERROR_LIMIT, "is nested deeper than %d levels", YAML_MAX_DEPTH);
        return NULL;
    }
    struct yaml_node *n = node_new(r, map ? YAML_MAP : YAML_SEQUENCE, at);
    if (n == NULL)
        return NULL;
    n->open = true;
    if (!anchor_add(r, map ? event->mapping_start.anchor : event->sequence_start.anchor, n))
        return NULL;
    return children(r, n, depth) ? n : NULL;
}

static bool documents(struct reader *r, const struct yaml_node ***ret, size_t *ret_count)
{
    struct source top = {r->file, 1, 1};
    size_t base = r->used;
    for (;;) {
        struct fy_event *event = next(r);
        if (event == NULL)
            return false;
        enum fy_event_type type = event->type;
        const struct yaml_node *n = NULL;
        bool holds = type == FYET_SCALAR || type == FYET_ALIAS || type == FYET_MAPPING_START ||
                     type == FYET_SEQUENCE_START;
        if (type == FYET_DOCUMENT_START)
            map_clear(&r->anchors);
        if (holds)
            n = value(r, event, 1, top);
        fy_parser_event_free(r->parser, event);
        if (holds && n == NULL)
            return false;
        if (holds && yaml_scalar_type(n) != YAML_NULL)
            push(r, (struct yaml_pair){.value = n});
        if (type == FYET_STREAM_END)
            break;
    }
    *ret_count = r->used - base;
    *ret = ARENA_ARRAY(r->arena, const struct yaml_node *, *ret_count + 1);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = r->stack[base + i].value;
    return true;
}

/* The length of the UTF-8 sequence at ${at}, 0 when it is none (RFC 3629: no overlong forms, no
 * surrogates). */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    uint8_t a = at[0];
    size_t n = a < 0x80                 ? 1
               : a >= 0xc2 && a <= 0xdf ? 2
               : (a & 0xf0) == 0xe0     ? 3
               : a >= 0xf0 && a <= 0xf4 ? 4
                                        : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((a == 0xe0 && at[1] < 0xa0) || (a == 0xed && at[1] > 0x9f) || (a == 0xf0 && at[1] < 0x90) ||
        (a == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

void yaml_clean_text(char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_length((const uint8_t *)text + i, len - i);
        if (n == 0) {
            text[i] = '?';
            n = 1;
        }
    }
}

static bool check_bytes(struct bytes yaml, const char *file, struct error *err)
{
    struct source at = {file, 1, 1};
    if (yaml.len > YAML_MAX_BYTES)
        return error_at(err, (struct source){file, 0, 0}, ERROR_LIMIT,
                        "has %zu bytes, a policy file may have %zu", yaml.len, YAML_MAX_BYTES);
    for (size_t i = 0, n; i < yaml.len; i += n) {
        n = utf8_length(yaml.at + i, yaml.len - i);
        if (n == 0)
            return error_at(err, at, ERROR_INPUT, "byte 0x%02x is not UTF-8", yaml.at[i]);
        if (yaml.at[i] == 0)
            return error_at(err, at, ERROR_INPUT, "a NUL byte is no YAML");
        at.column++;
        if (yaml.at[i] == '\n') {
            at.line++;
            at.column = 1;
        }
    }
    return true;
}

bool yaml_parse(struct bytes yaml, const char *file, size_t *nodes, struct arena *arena,
                const struct yaml_node ***ret_documents, size_t *ret_count, struct error *err)
{
    struct reader r = {.arena = arena, .file = arena_strdup(arena, file), .err = err};
    r.nodes_left = *nodes < YAML_MAX_NODES ? *nodes : YAML_MAX_NODES;
    *ret_count = 0;
    *ret_documents = NULL;
    if (!check_bytes(yaml, r.file, err))
        return false;
    size_t before = r.nodes_left;
    struct fy_diag_cfg diag_cfg = {.level = FYET_ERROR, .module_mask = ~0U};
    r.diag = fy_diag_create(&diag_cfg);
    INVARIANT(r.diag != NULL);
    fy_diag_set_collect_errors(r.diag, true);
    /* Depth is counted here; libfyaml's own limit would end the file with a worse sentence. */
    struct fy_parse_cfg cfg = {.search_path = "",
                               .flags =
                                   FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DISABLE_DEPTH_LIMIT,
                               .diag = r.diag};
    r.parser = fy_parser_create(&cfg);
    INVARIANT(r.parser != NULL);
    map_init(&r.anchors, YAML_MAX_ANCHORS);
    const char *text = yaml.len == 0 ? "" : (const char *)yaml.at;
    bool good = fy_parser_set_string(r.parser, text, yaml.len) == 0 || parser_failed(&r);
    good = good && (yaml.len == 0 || documents(&r, ret_documents, ret_count));
    fy_parser_destroy(r.parser);
    fy_diag_destroy(r.diag);
    map_release(&r.anchors);
    free(r.stack);
    *nodes -= before - r.nodes_left;
    return good;
}
