-- The limits of a connection pool, met by two hundred calls a second of a service that takes a tenth of one.
-- --set limit=pending; the policies are in limits/.
local edge = "client -> payments"
local limit = param "limit" { default = "requests", oneof = { "requests", "pending", "connections", "per_connection" } }
return scenario "a limit holds, and no sooner" {
  mesh = mesh.istio { policy = "limits/" .. limit .. ".yaml", version = "1.31" },
  lab = lab { driver = param "driver" { default = "builtin" }, service "payments" { endpoints = 3, work = "1ms" } },
  settle = "0ms",
  load = load.open { on = edge, rate = "200/s", warmup = "0s" },
  phase "slow" { lasting = "5s",
    fault.latency { on = "payments", add = "100ms" },
    expect.breaker { on = edge, only = { limit } } },
}
