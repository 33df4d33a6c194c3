#include "explore/dial.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define CHOICE(key_, absent, ...) \
    { \
        .key = key_, .kind = DIAL_CHOICE, .choices = WORDS(__VA_ARGS__), .absent_percent = absent \
    }
#define RANGE(key_, kind_, absent, least_, most_) \
    { \
        .key = key_, .kind = kind_, .least = least_, .most = most_, .absent_percent = absent \
    }
#define PPM_OF_PERCENT(n) ((n)*UINT64_C(10000))

/* What every stream fault takes (scenario-language.md 1.5): of which requests, and of how many of
 * their tries. */
#define SHARE RANGE("share", DIAL_SHARE, 40, PPM_OF_PERCENT(1), PPM_OF_PERCENT(90))
#define FIRST RANGE("first", DIAL_COUNT, 60, 1, 4)

static const struct dial abort_http[] = {
    CHOICE("status", 0, "503", "500", "502", "504", "429", "404", "400"),
    CHOICE("reply", 85, "after"), SHARE, FIRST};
static const struct dial abort_grpc[] = {CHOICE("grpc", 0, "UNAVAILABLE", "INTERNAL",
                                                "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED",
                                                "CANCELLED", "INVALID_ARGUMENT"),
                                         CHOICE("where", 70, "trailers"), SHARE, FIRST};
static const struct dial reset_at_head[] = {CHOICE("when", 50, "response_head"), SHARE, FIRST};
static const struct dial reset_in_body[] = {CHOICE("when", 0, "response_body"),
                                            CHOICE("after", 20, "3B", "64B"), SHARE, FIRST};
/* What is kept alive never comes to its accept again: it is reset when the fault begins. */
static const struct dial reset_at_accept[] = {CHOICE("when", 0, "accept"),
                                              CHOICE("existing", 0, "reset"), SHARE};
static const struct dial blackhole[] = {CHOICE("when", 70, "response"), SHARE, FIRST};
static const struct dial latency[] = {RANGE("add", DIAL_TIME, 0, NS_PER_MS, 60 * NS_PER_S),
                                      CHOICE("when", 70, "request"), SHARE, FIRST};
static const struct dial bandwidth[] = {CHOICE("rate", 0, "64KiB/s", "16KiB/s", "4KiB/s"), SHARE};
static const struct dial slicer[] = {CHOICE("size", 0, "64B", "256B"),
                                     RANGE("delay", DIAL_TIME, 30, NS_PER_MS, 50 * NS_PER_MS),
                                     SHARE};
static const struct dial limit_data[] = {CHOICE("bytes", 0, "100B", "500B"),
                                         CHOICE("ends", 60, "reset"), SHARE, FIRST};
static const struct dial slow_close[] = {RANGE("delay", DIAL_TIME, 0, 10 * NS_PER_MS, 5 * NS_PER_S),
                                         SHARE};
static const struct dial corrupt[] = {RANGE("every", DIAL_SIZE, 0, 256, (uint64_t)64 * 1024),
                                      SHARE};
static const struct dial replace[] = {CHOICE("status", 0, "503", "500", "400"), SHARE, FIRST};
static const struct dial malformed[] = {
    CHOICE("kind", 0, "empty", "bad_status_line", "bad_chunk", "random"), SHARE, FIRST};
static const struct dial rst_stream[] = {
    CHOICE("code", 40, "CANCEL", "INTERNAL_ERROR", "ENHANCE_YOUR_CALM"), CHOICE("when", 70, "body"),
    SHARE, FIRST};
static const struct dial goaway[] = {CHOICE("last", 60, "none"), SHARE};
static const struct dial tls_stall[] = {CHOICE("step", 0, "server_hello", "certificate"),
                                        RANGE("hold", DIAL_TIME, 0, 10 * NS_PER_MS, 20 * NS_PER_S)};
static const struct dial tls_alert[] = {CHOICE("alert", 0, "unknown_ca", "bad_certificate")};
static const struct dial cert[] = {CHOICE("kind", 0, "expired", "not_yet_valid", "unknown_root",
                                          "wrong_san", "wrong_trust_domain")};
static const struct dial restart[] = {RANGE("down", DIAL_TIME, 50, 100 * NS_PER_MS, 5 * NS_PER_S)};

#define HTTP (SPEAKS_HTTP1 | SPEAKS_HTTP2)
#define CALLS (HTTP | SPEAKS_GRPC)
#define ANY (CALLS | SPEAKS_TCP)
#define ROW(word_, speaks_, weight_, usual_, dials_) \
    { \
        .word = word_, .speaks = speaks_, .weight = weight_, .usual = usual_, .dials = dials_, \
        .dial_count = COUNT_OF(dials_) \
    }
#define PLAIN(word_, speaks_, weight_, usual_) \
    { \
        .word = word_, .speaks = speaks_, .weight = weight_, .usual = usual_ \
    }

/* Sorted by word. `hook` needs a file, `netem` and `control_plane_cut` act on an edge or a caller:
 * they have no row. */
static const struct drawable rows[] = {
    ROW("abort", HTTP, 6, true, abort_http),
    ROW("abort", SPEAKS_GRPC, 6, true, abort_grpc),
    ROW("bandwidth", ANY, 1, true, bandwidth),
    ROW("blackhole", ANY, 4, true, blackhole),
    ROW("cert", ANY | SPEAKS_TLS, 2, true, cert),
    ROW("corrupt", HTTP, 1, true, corrupt),
    ROW("goaway", SPEAKS_HTTP2 | SPEAKS_GRPC, 1, true, goaway),
    PLAIN("kill", ANY, 2, false),
    ROW("latency", ANY, 4, true, latency),
    ROW("limit_data", HTTP, 1, true, limit_data),
    ROW("malformed", SPEAKS_HTTP1, 2, true, malformed),
    PLAIN("partition", ANY, 2, false),
    PLAIN("pause", ANY, 2, false),
    PLAIN("refuse", ANY, 2, true),
    ROW("replace", HTTP, 1, true, replace),
    ROW("reset", ANY, 2, true, reset_at_head),
    ROW("reset", CALLS, 2, true, reset_in_body),
    ROW("reset", ANY, 1, true, reset_at_accept),
    ROW("restart", ANY, 2, false, restart),
    ROW("rst_stream", SPEAKS_HTTP2 | SPEAKS_GRPC, 2, true, rst_stream),
    ROW("slicer", ANY, 1, true, slicer),
    ROW("slow_close", ANY, 1, true, slow_close),
    ROW("tls_alert", ANY | SPEAKS_TLS, 1, true, tls_alert),
    ROW("tls_stall", ANY | SPEAKS_TLS, 1, true, tls_stall),
};

const struct drawable *drawables(size_t *ret_count)
{
    *ret_count = COUNT_OF(rows);
    return rows;
}

size_t drawable_words(const char **ret, bool usual_only)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool same = count > 0 && strcmp(ret[count - 1], rows[i].word) == 0;
        if (same || (usual_only && !rows[i].usual))
            continue;
        INVARIANT(count < DRAWABLE_WORDS_MOST);
        ret[count++] = rows[i].word;
    }
    return count;
}

unsigned speaks_of(const char *protocol)
{
    static const struct {
        const char *name;
        unsigned speaks;
    } all[] = {{"http1", SPEAKS_HTTP1},
               {"http2", SPEAKS_HTTP2},
               {"grpc", SPEAKS_GRPC},
               {"tcp", SPEAKS_TCP}};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (strcmp(protocol == NULL ? "http1" : protocol, all[i].name) == 0)
            return all[i].speaks;
    return 0;
}

static size_t choice_count(const struct dial *dial)
{
    size_t count = 0;
    while (dial->choices[count] != NULL)
        count++;
    return count;
}

void dial_print(const struct dial *dial, uint64_t value, char *to, size_t size, uint64_t *ret_count)
{
    *ret_count = UINT64_MAX;
    switch (dial->kind) {
    case DIAL_CHOICE:
        INVARIANT(value < choice_count(dial));
        snprintf(to, size, "%s", dial->choices[value]);
        if (!bytes_to_u64(bytes_of(to), ret_count))
            *ret_count = UINT64_MAX;
        return;
    case DIAL_COUNT:
        snprintf(to, size, "%llu", (unsigned long long)value);
        *ret_count = value;
        return;
    case DIAL_TIME:
        units_print_duration(value, to, size);
        return;
    case DIAL_SIZE:
        units_print_size(value, to, size);
        return;
    case DIAL_SHARE:
        units_print_share(value, to, size);
        return;
    }
    UNREACHABLE();
}

/* What people would write: one digit, then noughts, in the dial's unit. */
static uint64_t rounded(const struct dial *dial, uint64_t value)
{
    uint64_t unit = dial->kind == DIAL_TIME    ? NS_PER_MS
                    : dial->kind == DIAL_SHARE ? PPM_OF_PERCENT(1)
                                               : 1;
    if (dial->kind == DIAL_SIZE) { /* a power of two */
        uint64_t power = 1;
        while (power * 2 <= value)
            power *= 2;
        return power;
    }
    uint64_t count = value / unit, tens = 1;
    while (count / tens >= 10)
        tens *= 10;
    return count / tens * tens * unit;
}

static void add(uint64_t value, uint64_t ret[DIAL_SIMPLER_MOST], size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        if (ret[i] == value)
            return;
    if (*count < DIAL_SIMPLER_MOST)
        ret[(*count)++] = value;
}

size_t dial_simpler(const struct dial *dial, uint64_t value, uint64_t ret[DIAL_SIMPLER_MOST])
{
    size_t count = 0;
    if (value == DIAL_ABSENT)
        return 0;
    if (dial->absent_percent > 0)
        ret[count++] = DIAL_ABSENT;
    if (dial->kind == DIAL_CHOICE) {
        for (uint64_t i = 0; i < value; i++)
            add(i, ret, &count);
        return count;
    }
    if (dial->kind ==
        DIAL_SHARE) /* a rarer fault is no simpler one, only one that shows less often */
        return count;
    /* The least, then ever nearer to the value: each half of what is left. */
    for (uint64_t gap = value - dial->least; gap > 0; gap /= 2) {
        uint64_t down = value - gap, nice = rounded(dial, down);
        add(nice >= dial->least ? nice : down, ret, &count);
    }
    uint64_t nice = rounded(dial, value);
    if (nice >= dial->least && nice < value)
        add(nice, ret, &count);
    return count;
}
