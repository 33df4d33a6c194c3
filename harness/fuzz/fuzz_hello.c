/* layer: engine */

/* Any bytes as what a stranger with the key sends to the conductor's door, as the conductor's
 * answer to it, and as the key itself: a HELLO with its checks, or one sentence. The position in
 * the stream, by which a broken connection is taken up again, counts whole messages and no more. */

#include "engine/protocol.h"
#include "engine/psk.h"
#include "journal/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const struct error *err)
{
    INVARIANT(err->kind != ERROR_NONE && err->text[0] != '\0');
}

static void as_hello(struct bytes body)
{
    json_t *hello;
    struct error err = {0};
    if (!control_parse(CONTROL_HELLO, body, FROM_AGENT, &hello, &err)) {
        one_line(&err);
        return;
    }
    if (!hello_check_dialled(hello, 5, &err))
        one_line(&err);
    INVARIANT(control_text(hello, "id") != NULL);
    json_decref(hello);
}

static void as_answer(struct bytes body)
{
    json_t *answer;
    struct error err = {0};
    if (!control_parse(CONTROL_HELLO, body, FROM_CONDUCTOR, &answer, &err)) {
        one_line(&err);
        return;
    }
    if (!hello_answer_check(answer, 5, &err))
        one_line(&err);
    json_decref(answer);
}

struct taken {
    struct frame_reader reader;
    uint64_t last;
};

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct taken *t = cookie;
    json_t *json;
    struct error why = {0};
    (void)err;
    INVARIANT(t->reader.taken >= t->last + sizeof(*frame) + body.len);
    t->last = t->reader.taken;
    if (frame->kind == CONTROL_HELLO) {
        as_hello(body);
        as_answer(body);
    } else if (frame->kind < 16) {
        if (control_parse(frame->kind, body, FROM_AGENT, &json, &why))
            json_decref(json);
        else
            one_line(&why);
    }
    return true;
}

/* Broken after ${cut} bytes, and gone on with from the position that the reader names. */
static void as_stream(const uint8_t *data, size_t size, size_t cut)
{
    struct taken t = {0};
    struct error err = {0};
    frame_reader_init(&t.reader, on_frame, &t);
    bool ok = frame_reader_feed(&t.reader, (struct bytes){data, cut}, &err);
    frame_reader_restart(&t.reader);
    INVARIANT(t.reader.taken == t.last && t.last <= cut);
    size_t from = (size_t)t.reader.taken;
    ok = ok && frame_reader_feed(&t.reader, (struct bytes){data + from, size - from}, &err);
    INVARIANT(t.reader.taken <= size);
    if (!ok)
        one_line(&err);
    frame_reader_release(&t.reader);
}

static void as_key(const uint8_t *data, size_t size)
{
    struct psk psk, back;
    struct error err = {0};
    char text[PSK_TEXT_BYTES];
    if (!psk_parse((const char *)data, size, &psk, &err)) {
        one_line(&err);
        return;
    }
    psk_print(&psk, text);
    INVARIANT(psk_parse(text, strlen(text), &back, &err));
    INVARIANT(memcmp(&psk, &back, sizeof(psk)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_key(data, size);
    as_hello((struct bytes){data, size});
    as_answer((struct bytes){data, size});
    if (size > 0)
        as_stream(data + 1, size - 1, data[0] * (size - 1) / 255);
    return 0;
}
