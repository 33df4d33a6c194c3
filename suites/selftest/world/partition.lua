-- An edge is cut in a lab that is not isolated: the fault proxies are silent to checkout, whose own defences must hold.
local edge = "checkout -> payments"
local way = param "way" { default = "both", oneof = { "both", "to", "from" } }
local on = param "on" { default = edge, oneof = { edge, "payments" } }
return scenario "an edge is cut" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab {
    service "checkout" { endpoints = 1, work = "1ms",
      calls = { call "payments" { path = "/charge", timeout = "600ms", fallback = { status = 200,
        body = "cached" } } } },
    service "payments" { endpoints = 3, work = "1ms" },
  },
  load = load.open { on = "client -> checkout", rate = "120/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" { lasting = param "calm" { default = "4s" }, expect.success { on = "client -> checkout",
    atleast = "99%" } },
  phase "broken" { lasting = "4s", fault.partition { on = on, direction = way },
    expect.fallback { on = "client -> checkout", within = "700ms" } },
  phase "healed" { lasting = "4s", expect.success { on = "client -> checkout", atleast = "99%" } },
}
