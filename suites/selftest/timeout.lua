-- Silence on every try of each fifth request: each is cut at perTryTimeout; what is only slow is kept.
local edge = "client -> payments"
return scenario "a silent endpoint is cut" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "50/s", warmup = "500ms" },
  settle = "0ms",
  phase "silence" {
    lasting = "8s",
    fault.blackhole { on = "payments", share = "20%" },
    fault.latency { on = "payments", add = "320ms", share = "20%" }, -- slow, but within perTryTimeout: kept
    expect.timeout { on = edge, only = { "per_try" } },
  },
}
