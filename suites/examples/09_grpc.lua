-- UNAVAILABLE may be retried; INVALID_ARGUMENT never; in trailers after a message: never.
local edge, charge = "checkout -> payments", { grpc = "shop.Payments/Charge" }
local function answer(name, t, ...) t.on, t.match, t.first = "payments", charge, 1
  return phase(name) { lasting = "30s", fault.abort(t), expect.retries { on = edge, only = { ... } }, expect.status { on = edge } } end
return scenario "which gRPC codes are retried" { tags = { "gate", "grpc" }, mesh = mesh.istio { policy = "grpc/", version = "1.31" },
  lab = lab { service "checkout" { protocol = "grpc", calls = { call "payments" { path = "/shop.Payments/Charge" } } }, service "payments" { protocol = "grpc", endpoints = 3 } },
  load = load.open { on = "client -> checkout", protocol = "grpc", call = "shop.Checkout/Buy", rate = "100/s" },
  answer("unavailable",      { grpc = "UNAVAILABLE" }, "happen", "atmost", "conditions"),
  answer("invalid argument", { grpc = "INVALID_ARGUMENT" }, "conditions"),
  answer("late unavailable", { grpc = "UNAVAILABLE", where = "trailers" }, "conditions", "committed"),
  phase "refused stream" { lasting = "30s", fault.rst_stream { on = "payments", code = "REFUSED_STREAM", first = 1 }, expect.retries { on = edge } },
  phase "goaway"         { lasting = "30s", fault.goaway { on = "payments/1", times = 20 }, expect.success { on = edge, atleast = "100%" } } }
