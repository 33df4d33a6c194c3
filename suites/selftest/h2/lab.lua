-- For suites/selftest/h2/lab: retries on HTTP/2 in the lab, on an Envoy and on a mesh of the user's own.
local edge = "client -> payments"
local protocol = param "protocol" { default = "grpc", help = "what payments speaks: http2 or grpc" }
local driver = param "driver" { default = "envoy", help = "who plays the mesh" }
local reuse = param "reuse" { default = "keep", help = "of the client's connections" }
local good = param "good" { default = "99%", help = "share of answers that must be good" }
return scenario "two protocols" {
  mesh = mesh.istio { policy = "../../examples/grpc/", version = "1.31" },
  lab = lab { driver = driver, service "payments" { protocol = protocol, endpoints = 2, work = "1ms", body = "3KiB" } },
  load = load.closed { on = edge, protocol = protocol, call = protocol == "grpc" and "shop.Payments/Charge" or nil,
    users = 4, think = "5ms", warmup = "200ms", reuse = reuse, body = "1KiB", method = "POST" },
  settle = "0ms",
  phase "refused" {
    lasting = "4s",
    fault.rst_stream { on = "payments", code = "REFUSED_STREAM", first = 1, share = "20%", name = "refused" },
    expect.success { on = edge, atleast = good },
    expect.retries { on = edge },
  },
}
