-- The same for Linkerd's counters: what the proxy says it retried is what the wire saw.
local edge = "client -> checkout"
return scenario "linkerd's counters are those of the wire" {
  mesh = mesh.linkerd { policy = "../seed/linkerd/", version = "2.19" },
  lab = lab { service "checkout" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s" },
  settle = "2s",
  phase "failures" { lasting = "4s",
    fault.abort { on = "checkout", status = 503, first = 1, share = "20%" },
    expect.metrics { on = edge, only = { "requests", "retries" } } },
}
