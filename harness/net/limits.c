#include "net/limits.h"

#include "base/clock.h"
#include "net/h2_call.h"
#include "net/relay.h"
#include "net/toxic_pipe.h"

#define KIB(bytes) ((size_t)(bytes) / 1024)

static void print_connections(struct text *to)
{
    text_add(
        to,
        "  Connections: %d of the mesh at once for each endpoint, one more is reset; %llu s for\n"
        "  a TLS handshake. Kept by us: %zu KiB that a peer does not take, %zu KiB of a body\n"
        "  that a fault holds back. The length of a body has no limit.\n",
        PROXY_CONNECTIONS_MOST, (unsigned long long)(PROXY_HANDSHAKE_LIMIT_NS / NS_PER_S),
        KIB(CONN_OUT_MOST_BYTES), KIB(PIPE_MOST_BYTES));
}

static void print_http1(struct text *to)
{
    text_add(to,
             "  HTTP/1.1: a head of %zu KiB, %d header fields, %d trailers of %zu KiB together,\n"
             "  %zu KiB of chunk framing in a row, %d interim answers to a request, %llu s from\n"
             "  the first byte of a head or of chunk framing to its last. Of a body that was\n"
             "  answered already %zu KiB are read, %zu KiB of a chunked one.\n",
             KIB(HTTP1_HEAD_MOST_BYTES), HTTP1_FIELDS_MOST, HTTP1_TRAILERS_MOST,
             KIB(HTTP1_TRAILERS_MOST_BYTES), KIB(HTTP1_FRAMING_MOST_BYTES), HTTP1_INTERIM_MOST,
             (unsigned long long)(PROXY_HEAD_LIMIT_NS / NS_PER_S), KIB(RELAY_DRAIN_MOST_BYTES),
             KIB(RELAY_DRAIN_CHUNKED_BYTES));
}

static const char *setting_name(int32_t id)
{
    switch (id) {
    case NGHTTP2_SETTINGS_ENABLE_PUSH:
        return "ENABLE_PUSH";
    case NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS:
        return "MAX_CONCURRENT_STREAMS";
    case NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE:
        return "INITIAL_WINDOW_SIZE";
    case NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE:
        return "MAX_HEADER_LIST_SIZE";
    case NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        return "ENABLE_CONNECT_PROTOCOL";
    default:
        UNREACHABLE();
    }
}

static void print_settings(enum side side, struct text *to)
{
    size_t count;
    const nghttp2_settings_entry *entries = h2_session_settings(side, &count);
    text_add(to, "    to the %s", side == SIDE_REQUEST ? "mesh: " : "backend: ");
    for (size_t i = 0; i < count; i++)
        text_add(to, "%s%s %u",
                 i == 0   ? ""
                 : i == 2 ? ",\n      "
                          : ", ",
                 setting_name(entries[i].settings_id), entries[i].value);
    text_add(to, "\n");
}

static void print_http2(struct text *to)
{
    text_add(to, "  HTTP/2, SETTINGS that are announced and held (less, where the other side has\n"
                 "  announced less):\n");
    print_settings(SIDE_REQUEST, to);
    print_settings(SIDE_RESPONSE, to);
    text_add(to,
             "    HEADER_TABLE_SIZE %d and MAX_FRAME_SIZE %d as RFC 9113 has them\n"
             "  A window of %zu KiB for a connection, %d streams whose end the backend has not\n"
             "  heard of, %d CONTINUATION to a head, %d interim answers to a request. Floods:\n"
             "  %d RST_STREAM at once and %d a second; %d frames at once and %d a second that\n"
             "  bring nothing (PING, DATA without a byte; SETTINGS count %d).\n",
             H2_HEADER_TABLE_BYTES, H2_FRAME_MOST_BYTES, KIB(H2_CONNECTION_WINDOW_BYTES),
             H2_CALLS_MOST, H2_CONTINUATIONS_MOST, H2_INTERIMS_MOST, H2_RESETS_AT_ONCE,
             H2_RESETS_A_SECOND, H2_IDLE_FRAMES_AT_ONCE, H2_IDLE_FRAMES_A_SECOND, H2_SETTINGS_COST);
}

void limits_print(struct text *to)
{
    text_add(to,
             "Limits of what is relayed; what a peer sends past one of them ends, as does what is\n"
             "malformed, and the journal says why (meshproof show FILE --refused):\n");
    print_connections(to);
    print_http1(to);
    print_http2(to);
    text_add(
        to,
        "  Toxics: %d a proxy; %d chunks of %zu KiB wait in a latency, 1 in any other, %zu KiB\n"
        "  in all of a direction.\n",
        TOXICS_MOST, TOXIC_LATENCY_CHUNKS_MOST, KIB(TOXIC_CHUNK_MOST_BYTES),
        KIB(TOXIC_PIPE_MOST_BYTES));
}
