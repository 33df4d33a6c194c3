return scenario.from_policy {
  policy = { "nginx.yaml" }, target = "istio@1.31", methods = { "GET" },
  lab = lab { driver = "external", service "payments" { endpoints = 3, work = "1ms" } },
}
