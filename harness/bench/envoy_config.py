"""Envoy's configuration for one job."""
import backend

LUA = """function envoy_on_request(h)
  h:headers():add("x-bench", h:headers():get("x-one") .. h:headers():get("x-two"))
end
"""
HTTP, TLS = "envoy.extensions.filters.http.", "envoy.extensions.transport_sockets.tls.v3."
NETWORK = "envoy.extensions.filters.network."


def typed(kind, **fields):
    return {"@type": "type.googleapis.com/" + kind, **fields}


def filters_of(job, hold_ms):
    fault = {"abort": {"abort": {"http_status": 503, "percentage": {"numerator": 10}}},
             "hold": {"delay": {"fixed_delay": f"{hold_ms / 1000}s", "percentage": {"numerator": 100}}}}.get(job)
    if fault:
        yield {"name": "fault", "typed_config": typed(HTTP + "fault.v3.HTTPFault", **fault)}
    if job == "hook":
        yield {"name": "lua", "typed_config": typed(HTTP + "lua.v3.Lua", default_source_code={"inline_string": LUA})}
    yield {"name": "router", "typed_config": typed(HTTP + "router.v3.Router")}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def config(place, job, to, port, hold_ms):
    h2 = job in ("h2", "grpc")
    manager = typed(NETWORK + "http_connection_manager.v3.HttpConnectionManager", stat_prefix="b",
                    codec_type="HTTP2" if h2 else "HTTP1", http_filters=list(filters_of(job, hold_ms)),
                    route_config={"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
                        {"match": {"prefix": "/"}, "route": {"cluster": "c", "timeout": "0s"}}]}]})
    most = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    cluster = {"name": "c", "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": [most]},
               "load_assignment": {"cluster_name": "c", "endpoints": [
                   {"lb_endpoints": [{"endpoint": {"address": address(to)}}]}]}}
    if h2:
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        cluster["typed_extension_protocol_options"] = {
            options: typed(options, explicit_http_config={"http2_protocol_options": {}})}
    if job == "tls":
        cert, key, _ = backend.certificate(place)
        pair = {"tls_certificates": [{"certificate_chain": {"filename": cert}, "private_key": {"filename": key}}]}
        chain["transport_socket"] = {"name": "tls", "typed_config": typed(TLS + "DownstreamTlsContext",
                                                                          common_tls_context=pair)}
        cluster["transport_socket"] = {"name": "tls", "typed_config": typed(TLS + "UpstreamTlsContext")}
    return {"static_resources": {"clusters": [cluster],
                                 "listeners": [{"name": "l", "address": address(port), "filter_chains": [chain]}]}}
