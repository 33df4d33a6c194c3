-- Linkerd's failure accrual: every endpoint fails every try, one request at a time, so that the failures are
-- certainly in a row.
local edge = "client -> checkout"
return scenario "failures in a row shut an endpoint" {
  mesh = mesh.linkerd { policy = "linkerd/", version = "2.19" },
  lab = lab { service "checkout" { endpoints = 1, work = "10ms" } },
  load = load.closed { on = edge, users = 1, think = "30ms", timeout = "20s" },
  settle = "0ms",
  phase "calm" { lasting = "2s" },
  phase "all fail" {
    lasting = "9s",
    fault.abort { on = "checkout", status = 503 },
    expect.ejection { on = edge, only = { "trips", "not_before", "stays" } },
  },
}
