/* success (spec/scenario-language.md 1.7): a census of the window's answers, no inference. */
#include "verify/claims.h"
#include "verify/flight.h"
#include "verify/window.h"

#include "base/units.h"

#include <math.h>

#define LEAST 100
#define LEAST_FOR_ALL 300

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

static const char *const grpc_names[] = {
#define GRPC_STATUS(number, name) [number] = (name),
#include "base/grpc_status.def"
#undef GRPC_STATUS
};

/* A gRPC call has its status in grpc-status alone: HTTP 200 says nothing (PROTOCOL-HTTP2.md). */
static bool grpc_word_holds(struct bytes word, uint32_t status_plus_1)
{
    if (bytes_equal(word, BYTES("any")))
        return true;
    if (!bytes_starts(word, BYTES("grpc:")) || status_plus_1 == 0 ||
        status_plus_1 > COUNT_OF(grpc_names))
        return false;
    return bytes_equal_nocase((struct bytes){word.at + 5, word.len - 5},
                              bytes_of(grpc_names[status_plus_1 - 1]));
}

/* One word of "2xx,3xx,204,grpc:OK,any". */
static bool word_holds(struct bytes word, uint32_t status)
{
    uint64_t number;
    if (bytes_equal(word, BYTES("any")))
        return true;
    if (word.len == 3 && word.at[1] == 'x' && word.at[2] == 'x')
        return status / 100 == (uint32_t)(word.at[0] - '0');
    return bytes_to_u64(word, &number) && number == status;
}

/* ${raw}: an answer of raw TCP is whole, or none. */
static bool is_good(const char *good, bool grpc, bool raw, const struct request *r)
{
    if (r->r->end != END_COMPLETE || raw)
        return r->r->end == END_COMPLETE;
    struct bytes rest = bytes_of(good);
    while (rest.len > 0) {
        size_t comma = bytes_find(rest, ',');
        size_t len = comma < rest.len ? comma : rest.len;
        struct bytes word = {rest.at, len};
        word = bytes_trim(word);
        if (grpc ? grpc_word_holds(word, r->r->grpc_status) : word_holds(word, r->r->status))
            return true;
        size_t used = len < rest.len ? len + 1 : len;
        rest = (struct bytes){rest.at + used, rest.len - used};
    }
    return false;
}

/* "99.98 %", never rounded up to all. */
static const char *share_text(uint64_t good, uint64_t total, struct arena *arena)
{
    double share = floor(10000.0 * (double)good / (double)total) / 100;
    return arena_printf(arena, "%.*f %%", share == floor(share) ? 0 : 2, share);
}

/* Of a generated plan: what the machine left no time, what was answered in the next phase and may
 * have met its faults, and what a declared limit refused, which is cb.*'s to judge. */
static bool is_excused(const struct window *w, const struct request *r)
{
    return !window_clean(w, r->start_ns, r->done_ns) || r->done_ns >= w->span.to_ns ||
           flight_is_drop(r);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    (void)edge;
    uint64_t atleast = 1000000, total = 0, good = 0;
    const char *words = window_key(w, "good"), *asked = window_key(w, "atleast");
    struct error err = {0};
    if (asked != NULL && !units_parse_share(asked, &atleast, &err))
        atleast = 1000000;
    bool raw = strcmp(window_protocol(w), "tcp") == 0;
    /* What a suite's author asks is counted and no more; what a generated plan asks is of the mesh,
     * and not of a machine that left it no time. */
    bool ours = w->scenario != NULL && w->scenario->from_policy;
    words = words == NULL ? "2xx,3xx,grpc:OK" : words;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        bool is_fine = is_good(words, w->grpc, raw, r);
        if (!window_has(w, r) || (ours && !is_fine && is_excused(w, r)))
            continue;
        total++;
        if (is_fine)
            good++;
        else
            window_witness(ret, r, r->start_ns);
    }
    uint64_t least =
        atleast >= 1000000 ? LEAST_FOR_ALL : (uint64_t)ceil(3 / (1 - (double)atleast / 1e6) - 1e-9);
    ret->seen = ret->eligible = total;
    ret->wrong = total - good;
    ret->needed = window_floor(w, least > LEAST ? least : LEAST);
    ret->unit = "requests";
    char floor_text[32];
    units_print_share(atleast, floor_text, sizeof(floor_text));
    verdict_policy(ret, NULL, arena, "at least %s good answers", floor_text);
    bool met = total > 0 && (double)good * 1e6 >= (double)atleast * (double)total;
    if (total > 0 && !met && ours && window_starved(w, ret, arena)) {
        return;
    } else if (total > 0 && !met) {
        verdict_fail(ret, arena, "%llu of %llu good (%s); at least %s asked%s",
                     (unsigned long long)good, (unsigned long long)total,
                     share_text(good, total, arena), floor_text, window_when(w, ret, arena));
        ret->certain = "a census of the phase, no inference";
    } else if (total < ret->needed)
        window_too_few(w, ret, arena, total, ret->needed, ret->unit);
    else if (good == total)
        verdict_pass(ret, arena, "%llu of %llu good; at least %s asked", (unsigned long long)good,
                     (unsigned long long)total, floor_text);
    else
        verdict_pass(ret, arena, "%llu of %llu good (%s); at least %s asked",
                     (unsigned long long)good, (unsigned long long)total,
                     share_text(good, total, arena), floor_text);
}

const struct claim_type claim_success = {
    .id = "success",
    .word = "success",
    .only = "success",
    .help = "the share of good answers",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
