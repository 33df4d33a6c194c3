-- 200/s per pod: under it nobody is refused, over it the excess is, and 429 is not retried.
local edge = "checkout -> payments"
local function offered(factor) return load.open { on = edge, rate = policy.value { field = "requests_per_second", on = edge, times = factor } } end
return scenario "rate limit" { tags = { "gate", "linkerd" }, mesh = mesh.linkerd { policy = "linkerd/limit/", version = "2.19" },
  lab = lab { service "checkout" {}, service "payments" { endpoints = 2 } },
  phase "under" { lasting = "30s", load = offered(0.8), expect.rate_limit { on = edge }, expect.success { on = edge, atleast = "100%" } },
  phase "over"  { lasting = "30s", load = offered(3),   expect.rate_limit { on = edge }, expect.retries { on = edge, only = { "conditions" } } },
  phase "back"  { lasting = "20s", load = offered(0.8), expect.success { on = edge, atleast = "100%" } } }
