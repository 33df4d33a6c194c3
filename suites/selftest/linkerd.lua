-- The same for Linkerd's flavour.
return scenario.from_policy {
  policy = { "../seed/linkerd/" }, target = "linkerd@2.19", claims = { param "claim" { default = "retry" } },
  controls = "none",
  lab = lab { service "payments" { endpoints = 3, work = "10ms" } },
}
