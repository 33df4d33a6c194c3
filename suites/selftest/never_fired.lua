-- A fault that no request matches: nothing may be called proven.
local edge = "client -> payments"
return scenario "the fault never fires" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "500ms" },
  settle = "0ms",
  phase "no POST is sent" {
    lasting = "4s",
    fault.abort { on = "payments", status = 503, first = 1, match = { method = "POST" } },
    expect.retries { on = edge, only = { "happen" } },
  },
}
