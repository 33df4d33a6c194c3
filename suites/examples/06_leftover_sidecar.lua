-- A namespace enrolled in ambient whose pods kept their sidecars: two layers retry, and L7 policy is applied twice or not at all.
local shop = require "lib/shop"
return scenario "ambient with a leftover sidecar" { tags = { "ambient" },
  mesh = mesh.istio_ambient { policy = { "ambient/", "k8s/" }, version = "1.22" }, lint = "report",
  lab = shop.lab { driver = "envoy", proxies = "waypoint", payments_meshed = "leftover_sidecar" }, load = shop.load "100/s",
  phase "as deployed" { lasting = "60s",
    fault.abort { on = "payments", status = 503, first = 1, share = "50%" },
    expect.path { on = shop.edge, through = { "ztunnel", "waypoint" }, never = { "sidecar" } },
    expect.amplification { on = shop.edge }, expect.mtls { on = shop.edge } },
  expect.lint { never = { "ambient.leftover_sidecar", "istio.unknown_kind", "ambient.no_waypoint" } } }
