-- A run to be steered: one fault in the stream, one in the world, both in force for long.
local edge = "client -> payments"
return scenario "a storm to be steered" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "90/s", warmup = "500ms" },
  settle = param "settle" { default = "500ms" },
  phase "calm" { lasting = "1s" },
  phase "storm" {
    lasting = param "storm" { default = "8s" },
    fault.abort { on = "payments", status = 503, share = "30%", first = 1, name = "storm 503" },
    param "world" { default = "kill", oneof = { "kill", "pause" } } == "pause"
      and fault.pause { on = "payments/3", name = "death" } or fault.kill { on = "payments/3", name = "death" },
    expect.retries { on = edge, only = { "atmost", "happen" } },
  },
  phase "healed" { lasting = "2s", expect.success { on = edge, atleast = "90%" } },
}
