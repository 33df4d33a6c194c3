-- The mesh is one layer: with its proxy dead or its control plane cut, checkout's own timeouts, breaker and fallback must hold.
local shop = require "lib/shop"
local cached = { status = 200, body = "cached" }
return scenario "checkout without its mesh" { tags = { "gameday" }, mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = shop.lab { driver = "envoy", fallback = cached, breaker = { failures = 5, open = "10s" } }, load = shop.load "100/s", guard = shop.guards,
  shop.calm(),
  phase "proxy of checkout killed" { lasting = "45s",
    at "5s" { fault.kill { on = "checkout/1", what = "proxy", ttl = "30s" } },
    expect.fallback { on = shop.front, within = "3500ms", atleast = "99%" } },
  phase "control plane cut" { lasting = "2m",
    fault.control_plane_cut { on = "checkout" },
    at "30s" { fault.restart { on = "payments/3", what = "endpoint", down = "10s" } },   -- a change which the proxy cannot learn of
    expect.success { on = shop.front, atleast = "99%" }, expect.mtls { on = shop.edge } },
  expect.recovery { on = shop.front, within = "60s" } }
