-- The release gate for payments, made from its policy alone: retries, timeouts and ejection, no number typed twice.
-- meshproof plan --as lua prints the phases that come of it.
return scenario.from_policy {
  policy = { "k8s/" }, target = "istio@1.31", methods = { "GET" }, tags = { "gate" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
}
