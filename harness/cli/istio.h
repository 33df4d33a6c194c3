#ifndef CLI_ISTIO_H
#define CLI_ISTIO_H

/* Istio itself, asked about the user's files: the program istio-config (harness/istio, `./dev setup
 * istio`) is Istio's own code, and runs as a child that needs no cluster and no network. */

#include "policy/policy.h"

#include <jansson.h>

#define ISTIO_FILES_MOST 64

/* Asks ("translate", or "status": of files that Istio may refuse) about the files, and the services
 * ("payments,ledger.shop"; "": none) for which it is to tell what the client's sidecar is
 * programmed with. ${ret}, yours, has the keys services, objects, assumed and istio, its version
 * (harness/istio/translate.go).
 * The program is $MESHPROOF_ISTIO_CONFIG, or beside us in the build folder, or on $PATH. Fails
 * where it is not here, and by "translate" where Istio refuses an object. */
bool istio_ask(const char *word, const char *services, const char *const *files, size_t count,
               json_t **ret, struct error *err) WARN_UNUSED;
/* The same, as the istiod at ${address} ("127.0.0.1:15010", xDS in plaintext) programs a sidecar;
 * the files say no more than which namespaces and ports are meant. ${ret} has istiod, the address,
 * too; objects is empty. ERROR_PEER for an istiod that does not answer, or lacks a service. */
bool istio_fetch(const char *address, const char *services, const char *const *files, size_t count,
                 json_t **ret, struct error *err) WARN_UNUSED;

/* What Istio says of each object, as lines: that it has no such kind, its webhook's refusal, the
 * status that it would write, what its analyzers find. */
void istio_says_print(const json_t *answer, struct text *to);

/* What Istio programs for the edge's service and path, as lines, each value beside what ${edge} has
 * where the two differ. Returns how many differ. ${answer} is of istio_ask. */
size_t istio_programs_print(const json_t *answer, const struct edge_policy *edge, struct text *to);
/* {"values": [{"name", "istio", "read", "same"}], "envoy": its routes and clusters}. */
json_t *istio_programs_json(const json_t *answer, const struct edge_policy *edge);

#endif
