local shop = require "lib/shop"
return scenario "slow payments, honest checkout" { tags = { "gate", "istio" },
  mesh = mesh.istio { policy = "k8s/", version = "1.31" }, lab = shop.lab(), load = shop.load(param "rate" { default = "200/s" }), guard = shop.guards,
  shop.calm(),
  phase "payments drags" { lasting = "90s",
    fault.latency { on = "payments", add = policy.beyond "per_try_timeout", jitter = "100ms", share = "30%", first = 1 },  -- the first try only: a retry gets through
    during "20s..50s" { fault.abort { on = "payments/2", status = 503 } },
    expect.timeout  { on = shop.edge },                     -- values: VirtualService
    expect.retries  { on = shop.edge },                     -- attempts, perTryTimeout, retryOn
    expect.ejection { on = "payments" },                    -- DestinationRule
    expect.amplification { on = shop.front, atmost = 1.6 }, -- stricter than 1 + attempts: the report says so
    expect.metrics  { on = shop.edge } },
  phase "readmission" { await.readmitted { on = "payments/2", within = "90s" } },
  shop.healed() }
