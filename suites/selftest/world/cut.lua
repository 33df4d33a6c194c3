-- The seed's "control plane cut while policy must go on": checkout's proxy can be told nothing any more, an endpoint is
-- replaced meanwhile, and the policy that it knows must hold all the same.
local front, edge = "client -> checkout", "checkout -> payments"
local tls = param("tls") { default = "no", oneof = { "no", "yes" } }
local what = param("what") { default = "both", oneof = { "both", "config", "identity" } }
local named = what ~= "both" and { what } or { "config", "identity" }
return scenario "control plane cut" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab {
    driver = tls == "yes" and "envoy" or nil, tls = tls == "yes" and "mutual" or nil,
    service "checkout" { endpoints = 1, work = "1ms", calls = { call "payments" { path = "/charge",
      timeout = "3s", fallback = { status = 200, body = "cached" } } } },
    service "payments" { endpoints = 3, work = "1ms" },
  },
  load = load.open { on = front, rate = "90/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" { lasting = param "calm" { default = "4s" }, expect.success { on = front, atleast = "99%" } },
  phase "cut" { lasting = param "cut" { default = "8s" },
    fault.control_plane_cut { on = "checkout", what = named },
    fault.abort { on = "payments", status = 503, first = 1, share = "20%" },
    fault.reset { on = "payments", first = 1, share = "10%" }, -- as the endpoint that goes gives, but enough of them
    fault.abort { on = "payments", status = 503, share = "5%" },
    at "1s" { fault.restart { on = "payments/3", grace = "1s", down = "2s" } },
    expect.success { on = front, atleast = "99%" },
    expect.retries { on = edge, only = { "atmost", "happen" } },
    tls == "yes" and expect.mtls { on = edge, never = { "plaintext" } } or {} },
  phase "back" { await.readmitted { on = "payments/3", within = "20s" } },
  phase "healed" { lasting = "4s", expect.success { on = front, atleast = "99%" } },
}
