-- Packets of one edge are late, or lost, on a real kernel: checkout's calls to payments alone.
local edge = "checkout -> payments"
local how = param "how" { default = "delay", oneof = { "delay", "partition", "overlap" } }
local broken = {
  delay = fault.netem { on = edge, delay = "80ms" },
  partition = fault.partition { on = edge },
  overlap = { fault.netem { on = edge, delay = "80ms" }, fault.partition { on = "payments" } },
}
return scenario "packets of one edge" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab {
    isolation = "netns",
    service "checkout" { endpoints = 1, work = "1ms",
      calls = { call "payments" { path = "/charge", timeout = "600ms", fallback = { status = 200,
        body = "cached" } } } },
    service "payments" { endpoints = 3, work = "1ms" },
  },
  load = load.open { on = "client -> checkout", rate = "120/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" { lasting = param "calm" { default = "4s" }, expect.success { on = "client -> checkout",
    atleast = "99%" } },
  phase "broken" { lasting = "4s", broken[how], expect.fallback { on = "client -> checkout", within = "700ms" } },
  phase "healed" { lasting = "4s", expect.success { on = "client -> checkout", atleast = "99%" } },
}
