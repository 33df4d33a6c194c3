-- The release gate of the seed's policy, in network namespaces.
return scenario.from_policy {
  policy = { "../../seed/k8s/" }, target = "istio@1.31", methods = { "GET" },
  lab = lab { isolation = "netns", service "payments" { endpoints = 3, work = "1ms" } },
}
