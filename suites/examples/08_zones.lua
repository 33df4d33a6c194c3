-- 3 % loss and 40 ms between zone a and zone b; first random, then in bursts.
local shop = require "lib/shop"
return scenario "lossy zones" { tags = { "netem", "nightly" }, needs = { "net_admin", "zones" }, mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = shop.lab { isolation = "netns" }, load = load.open { on = shop.front, rate = "150/s", arrivals = "poisson" },
  guard = { guard.limits { endpoints = "100%", keep = 0, delay = "200ms", ttl = "4m" } },
  shop.calm "60s",
  phase "random loss" { lasting = "90s", fault.netem { on = "zone:a -> zone:b", delay = "40ms", jitter = "8ms", distribution = "normal", loss = "3%", direction = "both" },
    expect.timeout { on = shop.edge }, expect.tail { on = shop.front, against = 'phase "calm"', p50 = 3, p99 = 8 } },
  phase "bursts" { lasting = "90s", fault.netem { on = "zone:a -> zone:b", gemodel = { p = "1%", r = "20%", h = "0%", k = "5%" } },
    expect.success { on = shop.front, atleast = "99%" }, expect.balance { on = "payments", less = { "payments/2" } } },
  phase "cut" { lasting = "30s", fault.partition { on = "zone:a -> zone:b" }, expect.success { on = shop.front, atleast = "95%" } },
  expect.recovery { on = shop.front, within = "30s" } }
