-- People in a run: an approval, an await with the faults held back, questions after a phase and at the end.
local edge = "client -> payments"
return scenario "a small game day" {
  mesh = mesh.istio { policy = "../k8s", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "200ms" }, settle = "0ms",
  guard = { guard.approval { ask = "Start?", role = "incident-lead", within = param "patience" { default = "60s" } } },
  phase "inject" { fault.abort { on = "payments/1", status = 503, share = "20%" },
    await.human { ask = "Has the alert fired?", role = "observer", within = param "wait" { default = "60s" },
      late = param "late" { default = "fail" }, hold_faults = "disarm" },
    await.requests { on = edge, count = 20, within = "20s" },
    expect.human { ask = "Which alert fired first?", answer = "payments 5xx",
      within = param "look" { default = "60s" } } },
  phase "healed" { lasting = "300ms" },
  expect.human { ask = "Runbook correct?", within = param "look" { default = "60s" } } }
