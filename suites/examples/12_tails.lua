-- Which mesh has the shorter tail, here, today? Then: is this release slower than the accepted one?
local edge = "checkout -> payments"
local topology = lab { driver = "external", tls = "mutual", external = { istio = { to = { payments = "127.0.0.1:15001" } }, linkerd = { to = { payments = "127.0.0.1:4140" } } },
  service "checkout" {}, service "payments" { endpoints = 3, work = "2ms" } }
return suite "tails" { lab = topology, load = load.open { on = edge, rate = param "rate" { default = "500/s", help = "offered to each arm" }, arrivals = "poisson" },
  scenario "istio or linkerd" { tags = { "compare" }, mesh = { mesh.istio { policy = "istio/", version = "1.31", name = "istio" }, mesh.linkerd { policy = "linkerd/", version = "2.19", name = "linkerd" }, mesh.none {} },
    phase "quiet" { lasting = "3m", expect.tail { on = edge, against = 'arm "none"', p50 = 3, p99 = 5, gates = "no" } },
    phase "one slow endpoint" { lasting = "3m", fault.latency { on = "payments/1", add = "50ms", distribution = "lognormal", jitter = "20ms" },
      expect.tail { on = edge, against = 'arm "istio"', p99 = 1.5, p999 = 2, gates = "no" }, expect.balance { on = "payments", less = { "payments/1" } } } },
  scenario "no slower than the accepted release" { tags = { "gate" }, mesh = mesh.istio { policy = "istio/", version = "1.31", name = "istio" },
    phase "quiet" { lasting = "3m", expect.tail { on = edge, against = 'run "' .. (param "accepted" { default = "accepted.db" }) .. '"', p50 = 1.1, p99 = 1.25, add = "2ms" } } } }
