#include "policy/shape.h"

/* networking.istio.io and security.istio.io, as their CRDs of Istio 1.31 have them
 * (policy-semantics.md B1 to B3, E). What no rule of ours looks into ends in SHAPE_ANY. */

SHAPE(text_match, SHAPE_SCALAR("exact"), SHAPE_SCALAR("prefix"), SHAPE_SCALAR("regex"));
SHAPE(percent, SHAPE_SCALAR("value"));
SHAPE(port, SHAPE_SCALAR("number"));
SHAPE(header_change, {"set", SHAPE_MAP, NULL}, {"add", SHAPE_MAP, NULL},
      {"remove", SHAPE_LIST, NULL});
SHAPE(headers, {"request", SHAPE_MAP, &header_change}, {"response", SHAPE_MAP, &header_change});

/* VirtualService */
SHAPE(match, SHAPE_SCALAR("name"), {"uri", SHAPE_MAP, &text_match},
      {"scheme", SHAPE_MAP, &text_match}, {"method", SHAPE_MAP, &text_match},
      {"authority", SHAPE_MAP, &text_match}, {"headers", SHAPE_MAP_OF, &text_match},
      SHAPE_SCALAR("port"), {"sourceLabels", SHAPE_MAP, NULL}, {"gateways", SHAPE_LIST, NULL},
      {"queryParams", SHAPE_MAP_OF, &text_match}, SHAPE_SCALAR("ignoreUriCase"),
      {"withoutHeaders", SHAPE_MAP_OF, &text_match}, SHAPE_SCALAR("sourceNamespace"),
      SHAPE_SCALAR("statPrefix"));
SHAPE(destination, SHAPE_SCALAR("host"), SHAPE_SCALAR("subset"), {"port", SHAPE_MAP, &port});
SHAPE(route, {"destination", SHAPE_MAP, &destination}, SHAPE_SCALAR("weight"),
      {"headers", SHAPE_MAP, &headers});
SHAPE(retries, SHAPE_SCALAR("attempts"), SHAPE_SCALAR("perTryTimeout"), SHAPE_SCALAR("retryOn"),
      SHAPE_SCALAR("retryRemoteLocalities"), SHAPE_SCALAR("retryIgnorePreviousHosts"),
      SHAPE_SCALAR("backoff"));
SHAPE(delay, SHAPE_SCALAR("percent"), SHAPE_SCALAR("fixedDelay"), SHAPE_SCALAR("exponentialDelay"),
      {"percentage", SHAPE_MAP, &percent});
SHAPE(abort_fault, SHAPE_SCALAR("percent"), SHAPE_SCALAR("httpStatus"), SHAPE_SCALAR("grpcStatus"),
      SHAPE_SCALAR("http2Error"), {"percentage", SHAPE_MAP, &percent});
SHAPE(fault, {"delay", SHAPE_MAP, &delay}, {"abort", SHAPE_MAP, &abort_fault});
SHAPE(mirror, {"destination", SHAPE_MAP, &destination}, {"percentage", SHAPE_MAP, &percent});
SHAPE(http, SHAPE_SCALAR("name"), {"match", SHAPE_LIST, &match}, {"route", SHAPE_LIST, &route},
      {"redirect", SHAPE_MAP, NULL}, {"directResponse", SHAPE_MAP, NULL},
      {"delegate", SHAPE_MAP, NULL}, {"rewrite", SHAPE_MAP, NULL}, SHAPE_SCALAR("timeout"),
      {"retries", SHAPE_MAP, &retries}, {"fault", SHAPE_MAP, &fault},
      {"mirror", SHAPE_MAP, &destination}, {"mirrors", SHAPE_LIST, &mirror},
      {"mirrorPercentage", SHAPE_MAP, &percent}, SHAPE_SCALAR("mirrorPercent"),
      SHAPE_SCALAR("mirror_percent"), {"corsPolicy", SHAPE_MAP, NULL},
      {"headers", SHAPE_MAP, &headers});
SHAPE(virtual_service, {"hosts", SHAPE_LIST, NULL}, {"gateways", SHAPE_LIST, NULL},
      {"http", SHAPE_LIST, &http}, {"tls", SHAPE_LIST, NULL}, {"tcp", SHAPE_LIST, NULL},
      {"exportTo", SHAPE_LIST, NULL});

/* DestinationRule */
SHAPE(outlier, SHAPE_SCALAR("consecutiveErrors"), SHAPE_SCALAR("splitExternalLocalOriginErrors"),
      SHAPE_SCALAR("consecutiveLocalOriginFailures"), SHAPE_SCALAR("consecutiveGatewayErrors"),
      SHAPE_SCALAR("consecutive5xxErrors"), SHAPE_SCALAR("interval"),
      SHAPE_SCALAR("baseEjectionTime"), SHAPE_SCALAR("maxEjectionPercent"),
      SHAPE_SCALAR("minHealthPercent"), SHAPE_SCALAR("outlierDetectionHttpErrorCodes"));
SHAPE(tcp, SHAPE_SCALAR("maxConnections"), SHAPE_SCALAR("connectTimeout"),
      {"tcpKeepalive", SHAPE_MAP, NULL}, SHAPE_SCALAR("maxConnectionDuration"),
      SHAPE_SCALAR("idleTimeout"));
SHAPE(pool_http, SHAPE_SCALAR("http1MaxPendingRequests"), SHAPE_SCALAR("http2MaxRequests"),
      SHAPE_SCALAR("maxRequestsPerConnection"), SHAPE_SCALAR("maxRetries"),
      SHAPE_SCALAR("idleTimeout"), SHAPE_SCALAR("h2UpgradePolicy"),
      SHAPE_SCALAR("useClientProtocol"), SHAPE_SCALAR("maxConcurrentStreams"),
      {"http2KeepAlive", SHAPE_MAP, NULL});
SHAPE(pool, {"tcp", SHAPE_MAP, &tcp}, {"http", SHAPE_MAP, &pool_http});
SHAPE(balancer, SHAPE_SCALAR("simple"), {"consistentHash", SHAPE_MAP, NULL},
      {"localityLbSetting", SHAPE_MAP, NULL}, {"zoneAwareLbSetting", SHAPE_MAP, NULL},
      SHAPE_SCALAR("warmupDurationSecs"), {"warmup", SHAPE_MAP, NULL});
SHAPE(tls, SHAPE_SCALAR("mode"), SHAPE_SCALAR("clientCertificate"), SHAPE_SCALAR("privateKey"),
      SHAPE_SCALAR("caCertificates"), SHAPE_SCALAR("credentialName"),
      {"subjectAltNames", SHAPE_LIST, NULL}, SHAPE_SCALAR("sni"),
      SHAPE_SCALAR("insecureSkipVerify"), SHAPE_SCALAR("caCrl"));
SHAPE(budget, SHAPE_SCALAR("percent"), SHAPE_SCALAR("minRetryConcurrency"),
      SHAPE_SCALAR("budgetInterval"));
SHAPE(port_policy, {"port", SHAPE_MAP, &port}, {"loadBalancer", SHAPE_MAP, &balancer},
      {"connectionPool", SHAPE_MAP, &pool}, {"outlierDetection", SHAPE_MAP, &outlier},
      {"tls", SHAPE_MAP, &tls});
SHAPE(traffic, {"loadBalancer", SHAPE_MAP, &balancer}, {"connectionPool", SHAPE_MAP, &pool},
      {"outlierDetection", SHAPE_MAP, &outlier}, {"tls", SHAPE_MAP, &tls},
      {"portLevelSettings", SHAPE_LIST, &port_policy}, {"tunnel", SHAPE_MAP, NULL},
      {"proxyProtocol", SHAPE_MAP, NULL}, {"retryBudget", SHAPE_MAP, &budget});
SHAPE(subset, SHAPE_SCALAR("name"), {"labels", SHAPE_MAP, NULL},
      {"trafficPolicy", SHAPE_MAP, &traffic});
SHAPE(selector, {"matchLabels", SHAPE_MAP, NULL});
SHAPE(destination_rule, SHAPE_SCALAR("host"), {"trafficPolicy", SHAPE_MAP, &traffic},
      {"subsets", SHAPE_LIST, &subset}, {"exportTo", SHAPE_LIST, NULL},
      {"workloadSelector", SHAPE_MAP, &selector});

/* ServiceEntry */
SHAPE(entry_port, SHAPE_SCALAR("number"), SHAPE_SCALAR("protocol"), SHAPE_SCALAR("name"),
      SHAPE_SCALAR("targetPort"));
SHAPE(service_entry, {"hosts", SHAPE_LIST, NULL}, {"addresses", SHAPE_LIST, NULL},
      {"ports", SHAPE_LIST, &entry_port}, SHAPE_SCALAR("location"), SHAPE_SCALAR("resolution"),
      {"endpoints", SHAPE_LIST, NULL}, {"workloadSelector", SHAPE_MAP, NULL},
      {"exportTo", SHAPE_LIST, NULL}, {"subjectAltNames", SHAPE_LIST, NULL});

/* PeerAuthentication */
SHAPE(mtls, SHAPE_SCALAR("mode"));
SHAPE(peer_authentication, {"selector", SHAPE_MAP, &selector}, {"mtls", SHAPE_MAP, &mtls},
      {"portLevelMtls", SHAPE_MAP_OF, &mtls});

const struct shape *shape_of_istio(const char *kind)
{
    if (strcmp(kind, "VirtualService") == 0)
        return &virtual_service;
    if (strcmp(kind, "DestinationRule") == 0)
        return &destination_rule;
    if (strcmp(kind, "ServiceEntry") == 0)
        return &service_entry;
    return strcmp(kind, "PeerAuthentication") == 0 ? &peer_authentication : NULL;
}
