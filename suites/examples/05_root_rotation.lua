-- Root a -> root b under load: with both roots trusted in between nothing may be lost; without, the skew must show.
local shop = require "lib/shop"
local function roll(name, overlap, body) return scenario(name) { tags = { "tls", "nightly" }, needs = { "tls_owned" },
  lab = shop.lab(), load = load.open { on = shop.edge, rate = "100/s", reuse = "each" },
  phase "roll" { lasting = "4m",
    overlap and at "20s" { cert.trust { add = "root-b", stagger = "10s" } } or {},
    at "80s"  { cert.rotate { root = "root-b", stagger = "5s" } },
    overlap and at "160s" { cert.trust { drop = "root-a", stagger = "10s" } } or at "80s" { cert.trust { add = "root-b", drop = "root-a", stagger = "30s" } },
    body },
  phase "after" { await.cert { on = "payments", root = "root-b", within = "60s" }, expect.mtls { on = shop.edge } } } end
return suite "roots" { mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  roll("roots overlap", true, { expect.success { on = shop.edge, atleast = "100%" }, expect.rotation { on = shop.edge } }),
  roll("roots do not overlap", false, { expect.refused { on = shop.edge, because = "unknown_root" }, expect.mtls { on = shop.edge, never = { "plaintext" } } }),
  scenario "expired leaf" { lab = shop.lab(), load = load.open { on = shop.edge, rate = "50/s", reuse = "each" },
    phase "one endpoint expired" { lasting = "60s", fault.cert { on = "payments/1", kind = "expired", by = "10m" },
      expect.refused { on = "checkout -> payments/1", because = "expired" }, expect.retries { on = shop.edge, only = { "other_host" } } } } }
