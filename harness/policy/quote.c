#include "policy/quote.h"

#include "policy/kind.h"
#include "policy/store.h"

#include <ctype.h>

#define NEAR 3 /* lines between a header's secret name and its value */

static const char *const secret_words[] = {
    "authorization", "token",   "password", "passwd",  "secret", "credential",
    "api-key",       "api_key", "apikey",   "private", "bearer", "last-applied"};

/* A place in the text, by lines. */
struct cursor {
    struct bytes of;
    size_t at;
    uint32_t line;
};

static bool next_line(struct cursor *c, struct bytes *ret)
{
    if (c->at >= c->of.len)
        return false;
    size_t n = 0;
    while (c->at + n < c->of.len && c->of.at[c->at + n] != '\n')
        n++;
    *ret = (struct bytes){c->of.at + c->at, n};
    c->at += n + 1;
    c->line++;
    return true;
}

static size_t indent_of(struct bytes line)
{
    size_t n = 0;
    while (n < line.len && (line.at[n] == ' ' || line.at[n] == '-'))
        n++;
    return n;
}

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] != ' ' && line.at[i] != '\r' && line.at[i] != '\t')
            return false;
    }
    return true;
}

static bool begins_document(struct bytes line)
{
    return line.len >= 3 && memcmp(line.at, "---", 3) == 0 &&
           (line.len == 3 || line.at[3] == ' ' || line.at[3] == '\r' || line.at[3] == '\t');
}

static size_t find_word(struct bytes line, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= line.len; i++) {
        size_t k = 0;
        while (k < n && tolower(line.at[i + k]) == word[k])
            k++;
        if (k == n)
            return i;
    }
    return SIZE_MAX;
}

/* Where the first word that sounds like a secret begins; SIZE_MAX: there is none. */
static size_t find_secret(struct bytes line)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < COUNT_OF(secret_words); i++) {
        size_t at = find_word(line, secret_words[i]);
        first = at < first ? at : first;
    }
    size_t cookie = find_word(line, "cookie"); /* but httpCookie is a policy's */
    if (cookie != SIZE_MAX && (cookie == 0 || !isalpha(line.at[cookie - 1])) && cookie < first)
        first = cookie;
    return first;
}

/* The end of what may be shown: behind the colon of the key at ${from}, or of the line's first key
 * where the word is in a value; SIZE_MAX: no key. */
static size_t shown_end(struct bytes line, size_t from)
{
    for (size_t i = from; i < line.len; i++) {
        if (line.at[i] == ':')
            return i + 1;
        if (!isalnum(line.at[i]) && strchr("_.-/\"'", line.at[i]) == NULL)
            break;
    }
    return SIZE_MAX;
}

static size_t value_end(struct bytes line)
{
    size_t colon = bytes_find(line, ':');
    return colon == SIZE_MAX ? SIZE_MAX : colon + 1;
}

static bool is_value_key(struct bytes line)
{
    size_t at = indent_of(line);
    struct bytes rest = {line.at + at, line.len - at};
    return bytes_starts(rest, BYTES("value:")) || bytes_starts(rest, BYTES("\"value\":"));
}

/* What hides across the lines of a document. */
struct veil {
    size_t deeper_than;
    bool on;
    uint32_t named; /* line of the last secret name; 0: none yet */
};

/* A secret's name stands up to NEAR lines ahead: `value` may be written before `name`. */
static bool name_follows(const struct cursor *c)
{
    struct cursor ahead = *c;
    struct bytes line;
    for (int i = 0; i < NEAR && next_line(&ahead, &line); i++) {
        if (find_secret(line) != SIZE_MAX)
            return true;
    }
    return false;
}

static void add_shown(struct text *to, struct bytes line, size_t end)
{
    bool hides = end < line.len && !is_blank((struct bytes){line.at + end, line.len - end});
    if (end > QUOTE_LINE_BYTES)
        end = QUOTE_LINE_BYTES;
    while (end < line.len && end > 0 && (line.at[end] & 0xC0) == 0x80)
        end--; /* no character is cut in two */
    text_add_bytes(to, (struct bytes){line.at, end < line.len ? end : line.len});
    text_add(to, hides ? " " QUOTE_HIDDEN "\n" : "\n");
}

static void add_line(struct text *to, struct veil *v, const struct cursor *c, struct bytes line)
{
    size_t secret = find_secret(line), end = line.len;
    while (end > 0 && (line.at[end - 1] == '\r' || line.at[end - 1] == ' '))
        end--;
    line.len = end;
    if (v->on && !is_blank(line) && indent_of(line) <= v->deeper_than)
        v->on = false;
    if (v->on) {
        text_add(to, is_blank(line) ? "\n" : QUOTE_HIDDEN "\n");
        return;
    }
    if (secret != SIZE_MAX) {
        size_t key = shown_end(line, secret);
        v->named = c->line;
        if (key != SIZE_MAX || find_word(line, "bearer") != SIZE_MAX) {
            v->on = true;
            v->deeper_than = indent_of(line);
            end = key != SIZE_MAX ? key : value_end(line);
            if (end == SIZE_MAX)
                end = indent_of(line);
        }
    } else if (is_value_key(line) &&
               ((v->named != 0 && c->line - v->named <= NEAR) || name_follows(c))) {
        v->on = true;
        v->deeper_than = indent_of(line);
        end = value_end(line);
    }
    add_shown(to, line, end);
}

/* How far the documents and the objects have been gone through: both are in the order of lines. */
struct pass {
    const struct yaml_node *const *documents;
    size_t document_count, document, object;
};

/* The document that begins in lines ${from} to before ${to}; NULL: none, it is empty. */
static const struct yaml_node *document_in(struct pass *w, uint32_t from, uint32_t to)
{
    while (w->document < w->document_count && w->documents[w->document]->source.line < from)
        w->document++;
    bool there = w->document < w->document_count && w->documents[w->document]->source.line < to;
    return there ? w->documents[w->document] : NULL;
}

static bool is_kept(const struct policy *p, struct pass *w, const struct yaml_node *document)
{
    while (w->object < p->object_count &&
           p->objects[w->object].root->source.line < document->source.line)
        w->object++;
    if (w->object == p->object_count || p->objects[w->object].root != document)
        return false; /* none, or a `kind: List` */
    const struct object *o = &p->objects[w->object];
    if (o->row == NULL)
        return false;
    if (o->row->dialect == DIALECT_KUBERNETES)
        return strcmp(o->kind, "Service") == 0 || strcmp(o->kind, "Namespace") == 0;
    return o->row->dialect != DIALECT_NONE && o->row->dialect != DIALECT_NOT_JUDGED;
}

static uint32_t document_end(const struct cursor *from)
{
    struct cursor c = *from;
    struct bytes line;
    while (next_line(&c, &line)) {
        if (c.line > from->line + 1 && begins_document(line))
            return c.line;
    }
    return c.line + 1;
}

static void keep(struct policy *p, const char *file, uint32_t from, struct text *t, bool cut)
{
    if (t->len == 0 && !cut)
        return;
    struct quote *q = STORE_ADD(p, quote);
    *q = (struct quote){store_intern(p, file), arena_strdup(p->arena, text_get(t)), from, cut};
    p->quoted_bytes += t->len;
    text_clear(t);
}

void quote_add(struct policy *p, struct bytes yaml, const char *file,
               const struct yaml_node *const *documents, size_t count, size_t first_object)
{
    struct cursor c = {.of = yaml};
    struct pass w = {.documents = documents, .document_count = count, .object = first_object};
    struct text t;
    uint32_t from = 0;
    size_t room = QUOTE_BYTES - p->quoted_bytes;
    if (room == 0)
        return;
    text_init(&t, room < QUOTE_FILE_BYTES ? room : QUOTE_FILE_BYTES);
    while (c.at < yaml.len && !t.full) {
        uint32_t begin = c.line + 1, end = document_end(&c);
        const struct yaml_node *document = document_in(&w, begin, end);
        bool kept = document != NULL && is_kept(p, &w, document);
        struct veil veil = {0};
        struct bytes line;
        if (!kept)
            keep(p, file, from, &t, false);
        if (kept && t.len == 0)
            from = begin;
        while (c.line + 1 < end && next_line(&c, &line)) {
            if (kept && !t.full)
                add_line(&t, &veil, &c, line);
        }
    }
    keep(p, file, from == 0 ? 1 : from, &t, t.full);
    text_release(&t);
}

json_t *policy_quotes_to_json(const struct policy *p)
{
    json_t *files = json_array(), *file = NULL;
    const char *name = "";
    for (size_t i = 0; i < p->quote_count; i++) {
        const struct quote *q = &p->quotes[i];
        json_t *text = json_string(q->text);
        if (file == NULL || strcmp(name, q->file) != 0) {
            file = json_pack("{s:s, s:[]}", "file", q->file, "parts");
            if (file == NULL) { /* a name that is no UTF-8 */
                json_decref(text);
                continue;
            }
            json_array_append_new(files, file);
            name = q->file;
        }
        if (q->cut)
            json_object_set_new(file, "cut", json_true());
        if (text != NULL)
            json_array_append_new(
                json_object_get(file, "parts"),
                json_pack("{s:I, s:o}", "from", (json_int_t)q->from, "text", text));
    }
    return files;
}
