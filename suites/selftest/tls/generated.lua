-- The plan that a policy and a lab of mutual TLS ask for (verify/generate_tls.c), TLS alone: the rest is other suites'
-- matter.
return scenario.from_policy { policy = "claims_policy/connect_retried.yaml", target = "istio@1.31",
  lab = lab { driver = "envoy", tls = "mutual", service "payments" { endpoints = 3, work = "1ms" } },
  claims = { "tls", "rot" }, controls = "none" }
