-- A proxy that is no Envoy, judged by the policy that an Envoy keeps: where it differs it must FAIL.
return scenario.from_policy {
  policy = { "../../seed/k8s/" }, target = "istio@1.31", methods = { "GET" },
  lab = lab { driver = "external", service "payments" { endpoints = 3, work = "1ms" } },
}
