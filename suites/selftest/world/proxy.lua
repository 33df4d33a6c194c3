-- The mesh's proxy of a caller is stopped, killed, or restarted. What the application does for itself must
-- hold without it.
local how = param "how" { default = "kill", oneof = { "pause", "kill", "restart" } }
local broken = {
  pause = fault.pause { on = "checkout", what = "proxy" },
  kill = fault.kill { on = "checkout", what = "proxy" },
  restart = fault.restart { on = "checkout", what = "proxy", grace = "1s", down = "1s" },
}
return scenario "a mesh proxy dies" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab {
    service "checkout" { endpoints = 1, work = "1ms",
      calls = { call "payments" { path = "/charge", timeout = "300ms", fallback = { status = 200,
        body = "cached" } } } },
    service "payments" { endpoints = 3, work = "1ms" },
  },
  load = load.open { on = "client -> checkout", rate = "120/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" { lasting = param "calm" { default = "4s" }, expect.success { on = "client -> checkout",
    atleast = "99%" } },
  phase "broken" { lasting = "4s", broken[how], expect.fallback { on = "client -> checkout", within = "400ms" } },
  phase "healed" { lasting = "4s", expect.success { on = "client -> checkout", atleast = "99%" } },
}
