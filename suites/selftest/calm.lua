-- No fault: everything is good, and every request is one try.
local edge = "client -> payments"
return scenario "nothing is broken" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 2, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" {
    lasting = "5s",
    expect.success { on = edge, atleast = "99%" },
    expect.amplification { on = edge },
  },
}
