-- Work that is done is not done again: a POST whose answer never comes back is not sent once more, as only refusals
-- that prove that nothing was processed are listed.
local edge = "client -> payments"
return scenario "a POST that was executed is not repeated" {
  mesh = mesh.istio { policy = "whole/payments.yaml", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  settle = "0ms",
  load = load.open { on = edge, rate = "100/s", method = "POST", warmup = "0s" },
  phase "executed, then reset" { lasting = "5s",
    fault.reset { on = "payments", when = "response_head", share = "20%" },
    expect.idempotency { on = edge } },
}
