-- The gate for checkout behind a waypoint (ambient).
return scenario.from_policy {
  policy = { "ambient/" }, target = "istio-ambient@1.31", methods = { "GET" }, tags = { "gate", "ambient" },
  lab = lab { service "checkout" { endpoints = 3, work = "1ms" } },
}
