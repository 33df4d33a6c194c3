-- For suites/selftest/h2/lab: a gRPC service that calls another one through the mesh.
local front = "client -> checkout"
return scenario "grpc behind grpc" {
  mesh = mesh.istio { policy = "../../examples/grpc/", version = "1.31" },
  lab = lab { driver = "envoy",
    service "checkout" { protocol = "grpc", work = "1ms",
      calls = { call "payments" { path = "/shop.Payments/Charge" } } },
    service "payments" { protocol = "grpc", endpoints = 2, work = "1ms" } },
  load = load.open { on = front, protocol = "grpc", call = "shop.Checkout/Buy", rate = "100/s", warmup = "200ms" },
  settle = "0ms",
  phase "unavailable" {
    lasting = "5s",
    fault.abort { on = "payments", grpc = "UNAVAILABLE", first = 1, share = "20%" },
    expect.success { on = front, atleast = "99%" },
  },
}
