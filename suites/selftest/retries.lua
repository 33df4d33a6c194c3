-- The harness against its own mesh: a first try in three fails and is retried; what always fails is given up in time.
local edge = "client -> payments"
return scenario "retries hide a failed first try" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "500ms" },
  settle = "0ms",
  phase "first tries fail" {
    lasting = "6s",
    fault.abort { on = "payments", status = 503, first = 1, share = "30%" },
    expect.retries { on = edge, only = { "happen" } },
    expect.success { on = edge, atleast = "99%" },
  },
  phase "all tries fail" {
    lasting = "6s",
    fault.abort { on = "payments", status = 503, share = "20%" },
    expect.retries { on = edge, only = { "atmost" } },
  },
}
