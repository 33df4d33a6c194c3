return scenario.from_policy {
  policy = { "haproxy.yaml" }, target = "istio@1.31", methods = { "GET" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
}
