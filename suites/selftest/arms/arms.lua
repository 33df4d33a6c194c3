-- Two meshes and none: the same requests meet the same faults in each, and each is judged by its own policy.
local edge = "client -> payments"
return scenario "one retry or two" { settle = "1s",
  mesh = { mesh.istio { policy = "one/", version = "1.31", name = "one" }, mesh.istio { policy = "two/", version = "1.31", name = "two" }, mesh.none {} },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } }, load = load.open { on = edge, rate = "100/s", warmup = "1s" },
  phase "some first tries fail" { lasting = param "lasting" { default = "13s" },
    fault.abort { on = "payments", status = 503, first = 1, share = "30%", name = "first tries" },
    fault.abort { on = "payments", status = 503, share = "3%", name = "all tries" },
    during "2s.." { expect.success { on = edge, atleast = "90%" } },
    expect.retries { on = edge, only = { "atmost", "happen" } },
    expect.tail { on = edge, against = 'arm "two"', p50 = 4, add = "20ms", gates = "no" } },
  phase "healed" { await.requests { on = edge, count = 50, within = "20s" } } }
