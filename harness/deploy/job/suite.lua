-- The gate made from the policy alone: which claims, how many requests, how long: meshproof plan suite.lua tells.
return scenario.from_policy {
  policy = { "policy.yaml" }, target = "istio@1.31", methods = { "GET" },
  lab = lab { driver = "external", service "payments" { endpoints = 3, work = "1ms" } },
}
