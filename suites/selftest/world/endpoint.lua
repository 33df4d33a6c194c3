-- One endpoint's process is stopped, killed, or restarted: the mesh must cut what is silent, and try another host.
local edge = "client -> payments"
local how = param "how" { default = "pause", oneof = { "pause", "kill", "restart" } }
local broken = {
  pause = fault.pause { on = "payments/2" },
  kill = fault.kill { on = "payments/2" },
  restart = fault.restart { on = "payments/2", grace = "1s", down = "2s" },
}
local claim = {
  pause = expect.timeout { on = edge, only = { "per_try" } },
  kill = expect.retries { on = edge, only = { "atmost", "happen" } },
  restart = expect.retries { on = edge, only = { "atmost" } },
}
return scenario "an endpoint dies" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "90/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" { lasting = param "calm" { default = "4s" }, expect.success { on = edge, atleast = "99%" } },
  phase "broken" { lasting = "6s", broken[how], claim[how] },
  phase "back" { await.readmitted { on = "payments/2", within = "20s" } },
  phase "healed" { lasting = "4s", expect.success { on = edge, atleast = "99%" } },
}
