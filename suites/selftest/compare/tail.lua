-- For suites/selftest/compare/run: a latency judged against an earlier run's journal, which --set baseline=FILE names.
local edge = "client -> payments"
return scenario "as quick as before" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = param "work" { default = "5ms" } } },
  load = load.open { on = edge, rate = "150/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" {
    lasting = "13s",
    expect.tail { on = edge, against = param "baseline" { default = 'run "none.db"' }, p50 = 2 },
  },
}
