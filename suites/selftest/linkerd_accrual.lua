-- Linkerd's failure accrual by the plan that the policy asks for: the policy is in linkerd/.
return scenario.from_policy {
  policy = { "linkerd/" }, target = "linkerd@2.19", claims = { "accrual" }, controls = "none",
  lab = lab { service "checkout" { endpoints = param "endpoints" { default = 3 }, work = "5ms" } },
}
