-- Agents that dial in (--on processes): as many endpoints and as long as the test asks for; a first try in five fails and is retried.
local edge = "client -> payments"
return scenario "agents dial in" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = param "endpoints" { default = 3 }, work = "0ms" } },
  load = load.open { on = edge, rate = param "rate" { default = "100/s" }, warmup = "500ms" },
  settle = "0ms",
  phase "first tries fail" {
    lasting = param "lasting" { default = "4s" },
    fault.abort { on = "payments", status = 503, first = 1, share = "20%" },
    expect.retries { on = edge, only = { "happen" } },
    expect.success { on = edge, atleast = "99%" },
  },
  phase "calm" {
    lasting = "4s",
    expect.success { on = edge, atleast = "99%" },
  },
}
