-- The mesh's identity changes while checkout's proxy cannot be told (its channel is cut), or is dead: it has the new
-- leaf as soon as it can, and nothing is lost meanwhile.
local front = "client -> checkout"
local how = param "how" { default = "cut", oneof = { "cut", "kill" } }
local broken = {
  cut = fault.control_plane_cut { on = "checkout", what = "identity" },
  kill = fault.kill { on = "checkout", what = "proxy" },
}
return scenario "rotation without a control plane" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab { driver = "envoy", tls = "mutual",
    service "checkout" { endpoints = 1, work = "1ms", calls = { call "payments" { path = "/charge",
      timeout = "600ms", fallback = { status = 200, body = "cached" } } } },
    service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = front, rate = "90/s", warmup = "500ms" }, settle = "0ms",
  phase "trust" { lasting = "4s", cert.trust { add = "root-b" }, expect.success { on = front, atleast = "99%" } },
  phase "broken" { lasting = "5s", broken[how],
    at "1s" { cert.rotate { root = "root-b", to = { "client" } } },
    expect.success { on = front, atleast = "99%" } },
  phase "after" { await.cert { on = "client", root = "root-b", within = "20s" } },
  phase "healed" { lasting = "4s", expect.success { on = front, atleast = "99%" } },
}
