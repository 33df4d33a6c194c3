/* The limits that --help states are those that are held. */

#include "net/h2_peer_test.h"
#include "net/limits.h"

static const char *const settings_names[] = {
    [NGHTTP2_SETTINGS_ENABLE_PUSH] = "ENABLE_PUSH",
    [NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS] = "MAX_CONCURRENT_STREAMS",
    [NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE] = "INITIAL_WINDOW_SIZE",
    [NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE] = "MAX_HEADER_LIST_SIZE",
    [NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL] = "ENABLE_CONNECT_PROTOCOL",
};

/* Every entry of a SETTINGS frame that came stands in the part of the text that tells of it. */
static void expect_stated(const struct h2_peer *p, const struct seen_frame *f, const char *part,
                          size_t len)
{
    assert_true(f->len > 0 && f->len % 6 == 0);
    for (size_t at = f->at; at < f->at + f->len; at += 6) {
        const uint8_t *entry = p->peer->in.at + at;
        size_t id = (size_t)entry[0] << 8 | entry[1];
        char line[64];
        assert_true(id < COUNT_OF(settings_names) && settings_names[id] != NULL);
        snprintf(line, sizeof(line), "%s %u", settings_names[id], h2_u32(entry + 2));
        if (memmem(part, len, line, strlen(line)) == NULL)
            fail_msg("\"%s\" is announced, and not stated in\n%.*s", line, (int)len, part);
    }
}

static void what_settings_announce_is_what_is_stated(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 65536);
    limits_print(&t);
    const char *mesh = strstr(text_get(&t), "to the mesh:"),
               *backend = strstr(text_get(&t), "to the backend:");
    assert_true(mesh != NULL && backend != NULL && mesh < backend);
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    expect_stated(c, h2_await(c, NGHTTP2_SETTINGS, 0), mesh, (size_t)(backend - mesh));
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    expect_stated(s, h2_await(s, NGHTTP2_SETTINGS, 0), backend, strlen(backend));
    text_release(&t);
    h2_close(rig, c, s);
}

/* A frame of just the stated size is taken, and a byte more is not (h2_hostile_test.c has that). */
static void a_frame_of_the_stated_size_is_taken(void **state)
{
    (void)state;
    static char block[H2_FRAME_MOST_BYTES + 1];
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    memset(block, 'x', sizeof(block) - 1);
    h2_head(c, 1, H2_POST, false);
    h2_data(c, 1, block, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    while (s->data[1] < H2_FRAME_MOST_BYTES)
        h2_await(s, NGHTTP2_DATA, 1);
    assert_null(h2_find(c, NGHTTP2_GOAWAY, 0));
    h2_close(rig, c, s);
}

static void no_line_is_wider_than_a_terminal(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 65536);
    limits_print(&t);
    assert_false(t.full);
    for (const char *line = text_get(&t); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (len > 100)
            fail_msg("%zu columns: %.*s", len, (int)len, line);
        line += len + (line[len] == '\n');
    }
    text_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_settings_announce_is_what_is_stated),
        cmocka_unit_test(a_frame_of_the_stated_size_is_taken),
        cmocka_unit_test(no_line_is_wider_than_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
