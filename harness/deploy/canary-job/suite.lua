-- The gate made from the policy alone, on a canary of the service: its endpoints are pods of ours behind a Service of ours.
return scenario.from_policy {
  policy = { "policy.yaml" }, target = "istio@1.31", methods = { "GET" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
}
