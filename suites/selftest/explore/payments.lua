-- What `explore` is let loose on: the policy's claims on retries and timeouts, ejection, and one wish of the suite's own.
local edge = "client -> payments"
return scenario "payments, whatever breaks" {
  mesh = mesh.istio { policy = "../../seed/k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "150/s", warmup = "300ms" },
  guard = { guard.limits { delay = "5s", ttl = "1m" } },
  phase "any fault" {
    lasting = "5s",
    fault.abort { on = "payments", status = 503, first = 1 },
    expect.retries { on = edge },
    expect.timeout { on = edge },
    expect.ejection { on = "payments" },
    expect.status { on = edge },
  },
}
