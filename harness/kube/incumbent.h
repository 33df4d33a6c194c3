#ifndef KUBE_INCUMBENT_H
#define KUBE_INCUMBENT_H

/* The Services that a run in mode interpose joins, as the cluster has them before anything is made
 * (spec/kubernetes.md section 2 "interpose"): the labels that join them, the port that is meant,
 * and where a pod of ours must listen to be the endpoint that others take it for. */

#include "kube/chore.h"
#include "kube/objects.h"

/* Fills ${to} (name and endpoints are there; a port other than 0 is the one that is meant, else it
 * is the first that is declared as HTTP, or the only one). Texts are borrowed from ${service}, the
 * answer's body. False: it cannot be joined at all; what only makes that unwise, checks.def says.
 */
bool incumbent_read(const json_t *service, struct objects_service *to,
                    struct error *err) WARN_UNUSED;
/* Ready endpoints of a list of EndpointSlices; of a run's own, or of everybody else. */
uint32_t incumbent_count_ready(const json_t *slices, bool ours);
/* Whether a pod of that name is one of a run's: "mp-7f3a91c2-payments-1". */
bool incumbent_is_ours(const char *pod);
/* "http", "http-web", "grpc-web", "HTTP2", "kubernetes.io/h2c": what a mesh takes for HTTP. */
bool incumbent_is_http(const char *protocol);
/* The name or appProtocol of a port of a Service: the latter wins (Istio, "Protocol Selection"). */
const char *incumbent_protocol(const json_t *port);

/* GET of each, and who is ready behind it, as a chore. */
struct incumbent_survey {
    struct chore chore; /* first */
    bool over;
    struct error err; /* one is not there, or cannot be joined */
    /* Inside. */
    const char *namespace;
    struct objects_service *services; /* filled in their order */
    size_t service_count, at;
    bool counting;
    char selector[160];
    json_t *kept; /* the bodies that they point into */
};
/* ${services}, ${namespace}: borrowed; the former are filled, and good until
 * incumbent_survey_release.
 */
void incumbent_survey_init(struct incumbent_survey *s, const char *namespace,
                           struct objects_service *services, size_t service_count);
void incumbent_survey_release(struct incumbent_survey *s);

#endif
