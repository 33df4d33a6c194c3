-- Linkerd's retry budget and its rate limit, by the plan that the policy asks for.
-- --set claim=rate.limit: the policy is in linkerd_limits/.
local claim = param "claim" { default = "budget.linkerd", oneof = { "budget.linkerd", "rate.limit" } }
local service_of = { ["budget.linkerd"] = "cart", ["rate.limit"] = "stock" }
local to = service_of[claim]
return scenario.from_policy {
  policy = { "linkerd_limits/" }, target = "linkerd@2.19", claims = { claim }, edges = { "client -> " .. to },
  controls = "none",
  lab = lab { service(to) { endpoints = 3, work = "5ms" } },
}
