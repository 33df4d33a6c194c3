-- Retries at once, by the plan that the policy asks for. --set limit=retries: maxRetries in place of a budget; the policies are in limits/.
local limit = param "limit" { default = "budget", oneof = { "budget", "retries" } }
return scenario.from_policy {
  policy = { "limits/" .. limit .. ".yaml" }, target = "istio@1.31", claims = { "budget.envoy" }, edges = { "client -> payments" },
  controls = "none",
  lab = lab { driver = param "driver" { default = "builtin" }, service "payments" { endpoints = 3, work = "1ms" } },
}
