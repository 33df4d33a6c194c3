-- haproxy, judged by what it was told. Its retries come at once; Istio's policy has no word for that (backoff 0 is
-- the default, 25 ms), so the back-off is left out.
return scenario.from_policy {
  policy = { "haproxy.yaml" }, target = "istio@1.31", methods = { "GET" }, except = { "backoff" },
  lab = lab { driver = "external", service "payments" { endpoints = 3, work = "1ms" } },
}
