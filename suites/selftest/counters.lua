-- What the mesh counts must be what the wire saw: retries, tries, what its timers cut, answers by class. The pauses
-- give the scrapes that are compared a time in which nothing is under way.
local edge = "client -> payments"
return scenario "the mesh's counters are those of the wire" {
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s" },
  settle = "2s",
  phase "failures" {
    lasting = "4s",
    fault.abort { on = "payments", status = 503, first = 1, share = "20%" },
    fault.reset { on = "payments", first = 2, share = "10%" },
    expect.metrics { on = edge, only = { "requests", "retries", "statuses" } },
  },
  phase "silence" {
    lasting = "4s",
    load = load.open { on = edge, rate = "20/s" },
    fault.blackhole { on = "payments", share = "40%" },
    expect.metrics { on = edge, only = { "requests", "retries", "timeouts", "statuses" } },
  },
}
