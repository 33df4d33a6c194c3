-- maxEjectionPercent: 30 ejects nobody of three, and one of four.
local shop = require "lib/shop"
local function cap(n) return scenario(("30 %% cap, %d endpoints"):format(n)) { tags = { "gate", "ejection" }, mesh = mesh.istio { policy = "ejection/", version = "1.31", ignore = { "ejection.inert" } },
  lab = shop.lab { payments = n }, load = load.open { on = shop.edge, rate = "enough" },
  phase "one bad" { lasting = "decided", atmost = "6m",
    fault.abort { on = "payments/1", status = 500, name = "bad one" },
    expect.ejection { on = "payments", never = n == 3 and { "payments" } or { "payments/2", "payments/3", "payments/4" } } },
  phase "two bad" { lasting = "2m",
    fault.abort { on = "payments", mode = 2, status = 500 },
    expect.ejection { on = "payments", only = { "cap", "stays" } }, expect.metrics { on = shop.edge, only = "ejections" } },
  expect.lint(n == 3 and { has = { "ejection.inert" } } or { never = { "ejection.inert" } }) } end
return suite "ejection cap" { cap(3), cap(4) }
