-- A suite that loads.
local edge = "client -> payments"
return scenario "payments drag" {
  mesh = mesh.istio { policy = "retry.non_idempotent.pass.yaml", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3 } },
  load = load.open { on = edge, rate = "50/s" },
  phase "slow" { lasting = "9s",
    fault.latency { on = "payments", add = "200ms", jitter = "50ms" },
    expect.success { on = edge, atleast = "99%" } },
}
