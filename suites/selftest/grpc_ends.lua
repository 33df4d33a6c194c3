-- gRPC over HTTP/2: which ends of a call a mesh tries again. The status UNAVAILABLE in headers, a refused stream and a
-- GOAWAY that leaves the call out are retried, and the client sees none of them. The same status in trailers, after a
-- message, another status, and a cancelled stream reach the client. Needs a mesh that speaks HTTP/2: the driver envoy.
local edge = "client -> payments"

-- One fault a phase, on the first try of a fifth of the calls. A call is good when its grpc-status is OK.
local function once(name, fault_of, keys, good)
  keys.on, keys.first, keys.share, keys.name = "payments", 1, "20%", name
  return phase(name) { lasting = "5s", fault_of(keys), expect.success { on = edge, atleast = good } }
end
local retried, surfaces = "99%", "65%"

return scenario "which gRPC ends are retried" {
  about = "what Istio's default retry conditions do to each way in which a gRPC call can fail",
  tags = { "example", "grpc" },
  mesh = mesh.istio { policy = "../examples/grpc/", version = "1.31" },
  lab = lab { driver = "envoy", service "payments" { protocol = "grpc", endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, protocol = "grpc", call = "shop.Payments/Charge", rate = "100/s", warmup = "1s" },
  settle = "0ms",

  phase "calm" { lasting = "4s", expect.success { on = edge, atleast = "99%" } },
  once("unavailable", fault.abort, { grpc = "UNAVAILABLE" }, retried),
  once("late unavailable", fault.abort, { grpc = "UNAVAILABLE", where = "trailers" }, surfaces),
  once("invalid argument", fault.abort, { grpc = "INVALID_ARGUMENT" }, surfaces),
  once("refused stream", fault.rst_stream, { code = "REFUSED_STREAM" }, retried),
  once("cancelled stream", fault.rst_stream, { code = "CANCEL" }, surfaces),
  once("cut stream", fault.rst_stream, { code = "CANCEL", when = "body" }, surfaces),
  once("goaway", fault.goaway, { last = "none" }, retried),
  phase "healed" { lasting = "4s", expect.success { on = edge, atleast = "99%" } },
}
