-- The gate for checkout under Linkerd.
return scenario.from_policy {
  policy = { "linkerd/" }, target = "linkerd@2.19", methods = { "GET" }, tags = { "gate", "linkerd" },
  lab = lab { service "checkout" { endpoints = 3, work = "1ms" } },
}
