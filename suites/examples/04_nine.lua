-- Three tries by the application times three by the mesh: one failed request becomes nine. Meant to FAIL wherever both layers retry.
local shop = require "lib/shop"
return scenario "app retries x mesh retries" { tags = { "amplification" }, mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = shop.lab { app_retries = 2 }, load = shop.load "20/s",
  phase "all down" { lasting = "60s",
    fault.abort { on = "payments", status = 503 },
    expect.amplification { on = shop.edge, layers = { "mesh" } },       -- 3: what the policy allows
    expect.amplification { on = shop.front, atmost = 3, note = "pick one layer to retry in" } },  -- 9 seen: FAIL names both layers
  phase "one mesh retry used up" { lasting = "60s",
    fault.reset { on = "payments", first = policy.value { field = "attempts", plus = 1 }, when = "request_head" },
    expect.retries { on = shop.edge, only = { "happen", "other_host" } } } }
