-- Linkerd: the ServiceProfile's token bucket, and consecutive failure accrual with its single probe.
local edge = "checkout -> payments"
return suite "linkerd" { lab = lab { service "checkout" {}, service "payments" { endpoints = 3 } }, load = load.open { on = edge, rate = "enough" },
  scenario "retry budget" { tags = { "gate" }, mesh = mesh.linkerd { policy = "linkerd/profile/", version = "2.15" },
    phase "half fail" { lasting = "decided", atmost = "4m", fault.abort { on = "payments", status = 503, share = "50%" }, expect.budget { on = edge }, expect.retries { on = edge, only = { "conditions" } } } },
  scenario "failure accrual" { tags = { "gate" }, mesh = mesh.linkerd { policy = "linkerd/accrual/", version = "2.19" },
    phase "one short of the limit" { lasting = "40s", fault.abort { on = "payments/1", status = 500, times = policy.value { field = "accrual_max_failures", plus = -1 } }, expect.ejection { on = "payments", never = { "payments/1" } } },
    phase "at the limit" { lasting = "60s", fault.abort { on = "payments", status = 500, name = "sick" },  -- all: the balancer would avoid one
       expect.ejection { on = "payments", only = { "trips", "stays" } } },
    phase "probe and return" { await.readmitted { on = "payments/1", within = "70s" } } },
  scenario "the article's policy is inert" { mesh = mesh.linkerd { policy = "article/", version = "2.15" }, lint = "report",
    phase "steady" { lasting = "30s", expect.success { on = edge, atleast = "99.9%" } }, expect.lint { has = { "linkerd.rate_limit_needs_2.17", "linkerd.target_ref_not_server" } } } }
