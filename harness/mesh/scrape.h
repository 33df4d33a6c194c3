#ifndef MESH_SCRAPE_H
#define MESH_SCRAPE_H

/* The counters of proxies that are not ours, over HTTP: Envoy's and linkerd2-proxy's Prometheus
 * pages. It asks each address it was given, once a call, follows no redirect, and says of each
 * value of which edge it is. What a value means is the judge's business (verify/metrics.def). */

#include "mesh/mesh.h"

/* "http://127.0.0.1:15090/stats/prometheus" as "127.0.0.1:15090" and "/stats/prometheus"; the
 * address is numeric. */
struct scrape_url {
    char address[64], path[256];
};
bool scrape_url_parse(const char *text, struct scrape_url *ret, struct error *err) WARN_UNUSED;

struct prometheus_sample;
/* The edge of a sample of ${caller}'s proxy (NULL: of any caller's): by Envoy's cluster
 * ("outbound|80||payments.shop.svc.cluster.local" under Istio's label cluster_name, or the
 * service's name alone), or by Linkerd's service labels, outbound only. SIZE_MAX: of none. */
size_t scrape_edge_of(const struct prometheus_sample *s, const char *caller,
                      const struct mesh_edge *edges, size_t edge_count);

struct scraper;
bool scraper_new(struct loop *loop, const struct mesh_config *config, struct scraper **ret,
                 struct error *err) WARN_UNUSED;
void scraper_free(struct scraper *s);
/* Asks all proxies. ${on_value} for each value of an edge, then ${on_done} once, in a later turn
 * unless there is no proxy: false when one of them gave no page that could be read. Nothing while
 * the last round is under way. */
void scraper_ask(struct scraper *s,
                 void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels,
                                  double value),
                 void (*on_done)(void *cookie, bool ok), void *cookie);
/* Within on_value: the address of the proxy that it is of. */
const char *scraper_proxy(const struct scraper *s);

#endif
