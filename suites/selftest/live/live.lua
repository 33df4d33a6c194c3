-- A short run with something in every part of the live view: faults of one and of some requests, an ejection, guards
-- of which one comes near its limit, claims that pass, fail and stay open.
local edge = "client -> payments"
return scenario "payments in trouble" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "24/s", warmup = "200ms" }, settle = "0ms",
  guard = { guard.stop { probe = probe.client { on = edge, value = "errors", every = "500ms" }, above = "60%", over = "3s" },
            guard.stop { probe = probe.client { on = edge, value = "p99", every = "500ms" }, above = "370ms", over = "4s" } },
  phase "steady" { lasting = "5s", expect.success { on = edge, atleast = "99%" } },
  phase "payments/2 fails" { lasting = "9s", fault.abort { on = "payments/2", status = 503 }, expect.retries { on = edge } },
  phase "payments drags" { lasting = "7s", fault.latency { on = "payments/1", add = "400ms", share = "50%" },
     during "2s..5s" { fault.abort { on = "payments", status = 503, share = "30%" } },
     expect.retries { on = edge } },
  phase "recovery" { lasting = "3s", expect.success { on = edge, atleast = "99%" } },
}
