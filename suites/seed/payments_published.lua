-- The same gate on the policy with the article's own times: sweeps and ejections of 30 s, so it takes minutes.
return scenario.from_policy {
  policy = { "k8s-published/" }, target = "istio@1.31", methods = { "GET" }, tags = { "nightly" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
}
