-- The run of README.md's pictures: something in every part of the live view, and a whole minute of it.
local edge = "client -> payments"
return scenario "payments in trouble" {
  mesh = mesh.istio { policy = "../live/k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "48/s", warmup = "200ms" }, settle = "0ms",
  guard = { guard.stop { probe = probe.client { on = edge, value = "errors", every = "500ms" }, above = "60%", over = "5s" },
            guard.stop { probe = probe.client { on = edge, value = "p99", every = "500ms" }, above = "900ms", over = "10s" },
            guard.stop { probe = probe.client { on = edge, value = "rate", every = "500ms" }, below = "20/s", over = "10s" } },
  phase "steady" { lasting = "12s", expect.success { on = edge, atleast = "99%" } },
  phase "one in three fails" { lasting = "14s", fault.abort { on = "payments", status = 503, share = "30%" }, expect.retries { on = edge } },
  phase "payments drags" { lasting = "26s", fault.latency { on = "payments/1", add = "400ms", share = "50%" },
     during "8s..24s" { fault.abort { on = "payments/2", status = 503 } },
     expect.retries { on = edge }, expect.timeout { on = edge, only = { "per_try" } } },
  phase "recovery" { lasting = "8s", expect.success { on = edge, atleast = "99%" } },
}
