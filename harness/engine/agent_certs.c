#include "engine/agent_certs.h"

#include "base/clock.h"

static bool read_leaf(const json_t *from, struct cert_leaf *ret, struct error *err)
{
    ret->chain_pem = json_string_value(json_object_get(from, "chain"));
    ret->key_pem = json_string_value(json_object_get(from, "key"));
    return (ret->chain_pem != NULL && ret->key_pem != NULL) ||
           error_set(err, ERROR_PEER, "tls: a leaf without its chain or its key");
}

bool agent_certs_read(const json_t *tls, struct agent_certs *ret, struct error *err)
{
    const json_t *leaves = json_object_get(tls, "leaves");
    *ret = (struct agent_certs){
        .trust_pem = json_string_value(json_object_get(tls, "trust")),
        .peer_san = json_string_value(json_object_get(tls, "peer_san")),
    };
    for (unsigned kind = 0; kind < CERT_KIND_COUNT; kind++) {
        const json_t *leaf = json_object_get(leaves, cert_kind_word((enum cert_kind)kind));
        if (leaf != NULL && !read_leaf(leaf, &ret->leaves[kind], err))
            return false;
    }
    return (ret->trust_pem != NULL && ret->leaves[CERT_GOOD].chain_pem != NULL) ||
           error_set(err, ERROR_PEER, "tls: no leaf of its own, or nobody to trust");
}

bool agent_certs_context(const json_t *tls, struct tls_context **ret, struct error *err)
{
    struct agent_certs certs;
    if (!agent_certs_read(tls, &certs, err))
        return false;
    struct tls_config config = {.role = TLS_SERVER,
                                .own = certs.leaves[CERT_GOOD],
                                .trust_pem = certs.trust_pem,
                                .peer_san = certs.peer_san,
                                .require_client = true};
    for (unsigned kind = CERT_GOOD + 1; kind < CERT_KIND_COUNT; kind++)
        config.leaves[kind] = certs.leaves[kind];
    return tls_context_new(&config, ret, err);
}

void agent_certs_record(struct agent *a, const json_t *cert, uint64_t before_ns, bool read_back)
{
    struct recorder *recorder = a->recorder;
    uint64_t now_ns = clock_now_ns();
    struct world_record r = {
        .at = before_ns,
        .after = now_ns > before_ns ? now_ns - before_ns : 1,
        .what = recorder_name(recorder, bytes_of(control_text(cert, "what"))),
        .place = recorder_name(recorder, bytes_of(control_text(cert, "place"))),
        .before = recorder_name(recorder, bytes_of(control_text(cert, "before"))),
        .after_text = recorder_name(recorder, bytes_of(control_text(cert, "what"))),
        .endpoint = (uint16_t)control_number(cert, "endpoint"),
        .step = 1,
        .read_back_ok = read_back};
    recorder_emit(recorder, RECORD_WORLD, &r);
}
