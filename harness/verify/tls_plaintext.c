/* tls.plaintext (spec/verifier.md 3.6): the mesh never sends a plain byte to an endpoint that
 * speaks TLS, and does not fall back to it when it was refused. */
#include "verify/claims.h"
#include "verify/handshake.h"

#define LEAST 5
#define TLS_HANDSHAKE 0x16
#define TLS_ALERT 0x15

struct first_bytes {
    uint64_t seen, plain, after; /* after: behind the first that was refused */
    uint64_t refused_ns;         /* 0: none was */
    uint8_t byte;                /* of the first plain one */
    uint16_t endpoint;
};

/* We serve: what the mesh says first. We are the client: what it answers to our TLS. */
static bool is_plain(const struct handshake_record *r)
{
    return r->first_byte != TLS_HANDSHAKE && (r->side == 0 || r->first_byte != TLS_ALERT);
}

static void count(const struct shakes *s, const struct window *w, struct first_bytes *f,
                  struct verdict *ret)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        if (!shake_is_asked(w, h) || h->r->first_byte == 0)
            continue;
        f->seen++;
        f->after += f->refused_ns != 0 && h->r->at > f->refused_ns;
        if (f->refused_ns == 0 && (h->refused || h->shown == SHOWN_DISTURBED))
            f->refused_ns = h->r->at;
        if (!is_plain(h->r))
            continue;
        if (f->plain++ == 0) {
            f->byte = h->r->first_byte;
            f->endpoint = h->r->endpoint;
        }
        window_witness(ret, NULL, h->r->at);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct shakes s;
    struct first_bytes f = {0};
    bool caused = strcmp(w->asked->word, "refused") == 0 || window_is_generated(w);
    shakes_init(&s, w);
    ret->unit = "connections";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, edge->mtls.sends.set ? &edge->mtls.sends : NULL, arena,
                   "mutual TLS: nothing goes in plain text");
    if (shakes_lack(&s, w, ret, arena)) {
        shakes_release(&s);
        return;
    }
    count(&s, w, &f, ret);
    shakes_release(&s);
    ret->seen = ret->eligible = f.seen;
    ret->wrong = f.plain;
    if (f.plain > 0) {
        verdict_fail(ret, arena,
                     "%llu of %llu connections to %s began in plain text (byte 0x%02x where 0x16 "
                     "begins TLS)%s%s",
                     (unsigned long long)f.plain, (unsigned long long)f.seen,
                     shake_place(w, f.endpoint, arena), f.byte,
                     f.refused_ns != 0 && ret->witness_ns > f.refused_ns ? ", after a refusal" : "",
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the first byte on the wire";
    } else if (f.seen < ret->needed) {
        window_too_few(w, ret, arena, f.seen, ret->needed, ret->unit);
    } else if (caused && f.after < ret->needed) {
        window_too_few(w, ret, arena, f.after, ret->needed, "connections after a refused one");
    } else if (f.after < ret->needed) {
        verdict_pass(ret, arena,
                     "each of %llu connections began with TLS; none was refused, so nothing "
                     "tempted the mesh to fall back",
                     (unsigned long long)f.seen);
        ret->certain = verdict_excludes(f.seen, arena);
    } else {
        verdict_pass(ret, arena,
                     "each of %llu connections began with TLS, %llu of them after a refused one",
                     (unsigned long long)f.seen, (unsigned long long)f.after);
        ret->certain = verdict_excludes(f.seen, arena);
    }
}

const struct claim_type claim_tls_plaintext = {
    .id = "tls.plaintext",
    .word = "mtls",
    .only = "plaintext",
    .also_word = "refused",
    .also_only = "plaintext",
    .help = "the mesh never sends plain text, not after a refusal either",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge,
};
