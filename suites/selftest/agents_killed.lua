-- The backend of one endpoint is killed for a while, by the agent that started it (--on processes, or pods).
local edge = "client -> payments"
return scenario "an endpoint dies and is back" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "500ms" },
  settle = "0ms",
  phase "one is dead, and back" {
    lasting = "8s",
    at "1s" { fault.kill { on = "payments/2", ttl = "2s" } },
    expect.success { on = edge, atleast = "95%" },
  },
}
