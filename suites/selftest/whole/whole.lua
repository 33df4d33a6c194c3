-- Claims of the whole system on a real Envoy: an answer that stalls behind its head, work that is done before a request
-- fails, a tail against a calm phase, and the way back after the faults.
local edge = "client -> payments"
local driver = param "driver" { default = "envoy", help = "who plays the mesh" }
local function load_of(keys)
  keys.on, keys.rate, keys.warmup = edge, "200/s", "0s"
  return load.open(keys)
end
return scenario "the whole" {
  mesh = mesh.istio { policy = "payments.yaml", version = "1.31" },
  lab = lab { driver = driver, service "payments" { endpoints = 3, work = "1ms", body = "16KiB" } },
  load = load_of {},
  settle = "0ms",
  phase "calm" { lasting = "12s", expect.success { on = edge, atleast = "99%" } },
  phase "stalled" { lasting = "6s",
    load = load_of { tagged = { ["all:stall"] = 10, ["all:hold"] = 10 }, tag_every = "200ms" },
    fault.blackhole { on = "payments", when = "request", match = { tag = "all:hold" } },
    fault.bandwidth { on = "payments", rate = "1B/s", burst = "1KiB", match = { tag = "all:stall" } },
    expect.timeout { on = edge, only = { "request" } } },
  phase "executed, then 503" { lasting = "6s", load = load_of { method = "POST" },
    fault.abort { on = "payments", status = 503, reply = "after", share = "20%", match = { method = "POST" } },
    expect.idempotency { on = edge } },
  phase "as before" { lasting = "12s",
    expect.tail { on = edge, against = 'phase "calm"', p50 = 1.5, p90 = 2, add = "5ms" } },
  expect.recovery { on = edge, within = "5s" },
}
