-- A storm of 503s must not become a storm of retries; 503 after execution must not charge twice.
local shop = require "lib/shop"
local function storm(share) return scenario("503 storm, " .. share) { tags = { "gate" }, lab = shop.lab(), load = shop.load "400/s",
  shop.calm "20s",
  phase "storm" { lasting = "decided", atmost = "5m",
    fault.abort { on = "payments", status = 503, share = share, name = "storm" },
    expect.budget { on = shop.edge }, expect.retries { on = shop.edge, only = { "atmost", "conditions", "spacing" } }, expect.amplification { on = shop.edge } },
  phase "executed, then 503" { lasting = "60s", load = load.open { on = shop.front, rate = "50/s", method = "POST", headers = { ["x-order"] = "{uuid}" } },
    fault.abort { on = "payments", status = 503, reply = "after", first = 1, match = { method = "POST" } },
    expect.idempotency { on = shop.edge, key = "x-order" } },
  shop.healed() } end
local list = {}
for _, s in ipairs { "20%", "60%", "100%" } do list[#list + 1] = storm(s) end
return suite "storms" { mesh = mesh.istio { policy = "k8s/", version = "1.31" }, guard = { guard.limits { ttl = "6m" } }, list }  -- no shop.guards: errors are the point here
