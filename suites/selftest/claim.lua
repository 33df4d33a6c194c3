-- The gate of the corrected policy with some of its claims alone, without controls: for one defect at a time.
-- --set claim=retry.max; a family such as eject takes all of its claims.
return scenario.from_policy {
  policy = { "../seed/k8s/" }, target = "istio@1.31", claims = { param "claim" { default = "retry" } },
  controls = "none",
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
}
