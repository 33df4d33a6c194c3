-- An ejection that is seen on the wire must be seen in the mesh's own counters too.
local edge = "client -> payments"
return scenario "the mesh's counters show its ejections" {
  mesh = mesh.istio { policy = "slow_return/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "200/s" },
  settle = "0ms",
  phase "calm" { lasting = "2s" },
  phase "one bad" {
    lasting = "10s",
    fault.abort { on = "payments/2", status = 503 },
    expect.ejection { on = "payments", only = { "metrics" } },
  },
}
