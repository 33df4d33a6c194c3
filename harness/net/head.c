#include "net/head.h"

#include "base/text.h"
#include "net/grpc.h"

#define BUILT_MOST_BYTES ((size_t)512 * 1024)

void head_edits_add(struct head_edits **edits, const struct reply *reply, struct arena *arena)
{
    while (*edits != NULL)
        edits = &(*edits)->next;
    *edits = arena_take(arena, sizeof(**edits));
    (*edits)->reply = reply;
}

static bool is_named(struct bytes name, const char *wanted)
{
    return bytes_equal_nocase(name, bytes_of(wanted));
}

/* True when the comma list ${list} has ${token}. */
static bool lists(struct bytes list, struct bytes token)
{
    while (list.len > 0) {
        size_t comma = bytes_find(list, ',');
        struct bytes item = {list.at, comma == SIZE_MAX ? list.len : comma};
        if (bytes_equal_nocase(bytes_trim(item), token))
            return true;
        if (comma == SIZE_MAX)
            return false;
        list.at += comma + 1;
        list.len -= comma + 1;
    }
    return false;
}

/* A peer may not talk us out of the fields that frame or route the message. */
static bool is_end_to_end(struct bytes name)
{
    return is_named(name, "content-length") || is_named(name, "transfer-encoding") ||
           is_named(name, "host");
}

static bool is_listed(const struct http1_head *head, struct bytes name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct field *f = &head->field[i];
        if (f->name.len == 10 && is_named(f->name, "connection") && lists(f->value, name))
            return !is_end_to_end(name);
    }
    return false;
}

/* `connection` says more than close and keep-alive. */
static bool has_list(const struct http1_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct field *f = &head->field[i];
        if (f->name.len == 10 && is_named(f->name, "connection") &&
            !bytes_equal_nocase(f->value, BYTES("close")) &&
            !bytes_equal_nocase(f->value, BYTES("keep-alive")))
            return true;
    }
    return false;
}

static bool is_for_this_hop(const struct http1_head *head, const struct field *f, bool list,
                            const struct head_change *change)
{
    bool upgrade = false;
    switch (f->name.len) {
    case 2:
        if (is_named(f->name, "te"))
            return true;
        break;
    case 7:
        upgrade = is_named(f->name, "upgrade");
        break;
    case 10:
        if (is_named(f->name, "keep-alive"))
            return true;
        upgrade = is_named(f->name, "connection");
        break;
    case 14:
        if (change->drop_framing && is_named(f->name, "content-length"))
            return true;
        break;
    case 16:
        if (is_named(f->name, "proxy-connection"))
            return true;
        break;
    case 17:
        if (change->drop_framing && is_named(f->name, "transfer-encoding"))
            return true;
        break;
    default:
        break;
    }
    if (upgrade)
        return !change->keep_upgrade;
    return list && is_listed(head, f->name);
}

struct fields head_edited(struct fields fields, const struct head_edits *edits, struct arena *arena)
{
    for (const struct head_edits *e = edits; e != NULL; e = e->next) {
        const struct fields changes = e->reply->fields;
        struct field *to = ARENA_ARRAY(arena, struct field, fields.count + changes.count);
        size_t count = 0;
        for (size_t i = 0; i < fields.count; i++) {
            bool changed = false;
            for (size_t j = 0; j < changes.count && !changed; j++)
                changed = bytes_equal_nocase(fields.at[i].name, changes.at[j].name);
            if (!changed)
                to[count++] = fields.at[i];
        }
        for (size_t j = 0; j < changes.count; j++) {
            if (changes.at[j].value.len > 0) /* a name without a value drops */
                to[count++] = changes.at[j];
        }
        fields = (struct fields){to, count};
    }
    return fields;
}

uint16_t head_edited_status(uint16_t status, const struct head_edits *edits)
{
    for (const struct head_edits *e = edits; e != NULL; e = e->next) {
        if (e->reply->status != 0)
            status = e->reply->status;
    }
    return status;
}

static struct iovec part_of(const void *at, size_t len)
{
    struct iovec part = {.iov_len = len};
    memcpy(&part.iov_base, &at, sizeof(at)); /* iovec has no const; send only reads */
    return part;
}

static struct iovec take_text(struct text *t, struct arena *arena)
{
    INVARIANT(!t->full); /* heads are bounded when they come in, edits by their author */
    char *copy = arena_strndup(arena, text_get(t), t->len);
    struct iovec part = part_of(copy, t->len);
    text_release(t);
    return part;
}

static void add_field(struct text *t, const struct field *f)
{
    text_add_bytes(t, f->name);
    text_add_bytes(t, BYTES(": "));
    text_add_bytes(t, f->value);
    text_add_bytes(t, BYTES("\r\n"));
}

static void put(uint8_t **to, struct bytes from)
{
    if (from.len > 0)
        memcpy(*to, from.at, from.len);
    *to += from.len;
}

/* The fields and their end in one piece of the arena, no longer than it is. */
static struct iovec put_head(struct bytes line, struct fields fields, struct bytes length,
                             const char *connection, struct arena *arena)
{
    struct bytes last = connection != NULL ? bytes_of(connection) : (struct bytes){0};
    size_t size = line.len + length.len + last.len + 2;
    for (size_t i = 0; i < fields.count; i++)
        size += fields.at[i].name.len + fields.at[i].value.len + 4;
    uint8_t *from = arena_take(arena, size), *to = from;
    put(&to, line);
    for (size_t i = 0; i < fields.count; i++) {
        put(&to, fields.at[i].name);
        put(&to, BYTES(": "));
        put(&to, fields.at[i].value);
        put(&to, BYTES("\r\n"));
    }
    put(&to, length);
    put(&to, last);
    put(&to, BYTES("\r\n"));
    return part_of(from, size);
}

static struct iovec build(const struct http1_head *head, struct bytes raw, bool list,
                          const struct head_change *change, struct arena *arena)
{
    char status_line[64], length[48];
    struct bytes line = {raw.at, bytes_find(raw, '\n') + 1}, length_line = {0};
    struct field *kept = ARENA_ARRAY(arena, struct field, head->field_count);
    size_t count = 0;
    uint16_t status = head_edited_status(head->status, change->edits);
    if (status != head->status) {
        snprintf(status_line, sizeof(status_line), "HTTP/1.1 %u %s\r\n", status,
                 http1_reason(status));
        line = bytes_of(status_line);
    }
    if (change->set_length && status != 204 && status != 304) {
        snprintf(length, sizeof(length), "content-length: %llu\r\n",
                 (unsigned long long)change->length);
        length_line = bytes_of(length);
    }
    for (size_t i = 0; i < head->field_count; i++) {
        if (!is_for_this_hop(head, &head->field[i], list, change))
            kept[count++] = head->field[i];
    }
    struct fields fields = head_edited((struct fields){kept, count}, change->edits, arena);
    return put_head(line, fields, length_line, change->connection, arena);
}

size_t head_forward(const struct http1_head *head, struct bytes raw,
                    const struct head_change *change, struct arena *arena,
                    struct iovec parts[HEAD_PARTS_MOST])
{
    const uint8_t *from = raw.at, *end = raw.at + head->head_bytes - 2;
    bool list = has_list(head), plain = change->edits == NULL && !change->set_length;
    size_t count = 0;
    for (size_t i = 0; plain && i < head->field_count; i++) {
        if (!is_for_this_hop(head, &head->field[i], list, change))
            continue;
        const uint8_t *at = head->field[i].name.at;
        const uint8_t *next = i + 1 < head->field_count ? head->field[i + 1].name.at : end;
        if (count + 3 >= HEAD_PARTS_MOST)
            plain = false;
        else if (at > from)
            parts[count++] = part_of(from, (size_t)(at - from));
        from = next;
    }
    if (!plain) {
        parts[0] = build(head, raw, list, change, arena);
        return 1;
    }
    if (change->connection == NULL) {
        parts[count++] = part_of(from, (size_t)(end + 2 - from));
        return count;
    }
    if (end > from)
        parts[count++] = part_of(from, (size_t)(end - from));
    parts[count++] = part_of(change->connection, strlen(change->connection));
    parts[count++] = part_of("\r\n", 2);
    return count;
}

static bool has_no_body(uint16_t status, enum verb asked)
{
    return asked == VERB_HEAD || status == 204 || status == 304;
}

/* What gRPC says at its end: in the head when there are no trailers. */
static void add_grpc(struct text *t, const struct reply *reply, struct arena *arena)
{
    text_add(t, "grpc-status: %u\r\n", reply->grpc_status - 1);
    if (reply->body.len == 0)
        return;
    struct field message = {BYTES("grpc-message"), grpc_message(reply->body, arena)};
    add_field(t, &message);
}

static void add_answer_head(struct text *t, const struct reply *reply, const char *connection,
                            struct arena *arena)
{
    bool grpc = reply->grpc_status > 0, trailers = grpc && reply->in_trailers, typed = false;
    text_add(t, "HTTP/1.1 %u %s\r\n", reply->status, http1_reason(reply->status));
    for (size_t i = 0; i < reply->fields.count; i++) {
        const struct field *f = &reply->fields.at[i];
        typed = typed || is_named(f->name, "content-type");
        if (!is_named(f->name, "content-length") && !is_named(f->name, "transfer-encoding") &&
            !is_named(f->name, "connection"))
            add_field(t, f);
    }
    if (grpc && !typed)
        text_add(t, "content-type: application/grpc\r\n");
    if (grpc && !trailers)
        add_grpc(t, reply, arena);
    if (trailers)
        text_add(t, "trailer: grpc-status, grpc-message\r\ntransfer-encoding: chunked\r\n");
    else if (reply->status != 204 && reply->status != 304)
        text_add(t, "content-length: %zu\r\n", grpc ? 0 : reply->body.len);
    if (connection != NULL)
        text_add(t, "%s", connection);
    text_add(t, "\r\n");
}

size_t head_answer(const struct reply *reply, enum verb asked, const char *connection,
                   struct arena *arena, struct iovec parts[HEAD_PARTS_MOST])
{
    struct text t;
    size_t count = 0;
    bool grpc = reply->grpc_status > 0, mute = has_no_body(reply->status, asked);
    text_init(&t, BUILT_MOST_BYTES);
    add_answer_head(&t, reply, connection, arena);
    if (grpc && reply->in_trailers && !mute) {
        text_add(&t, "0\r\n");
        add_grpc(&t, reply, arena);
        text_add(&t, "\r\n");
    }
    parts[count++] = take_text(&t, arena);
    if (!grpc && !mute && reply->body.len > 0)
        parts[count++] = part_of(reply->body.at, reply->body.len);
    return count;
}
