return suite "release gate" { tags = { "gate" }, exceptions = "exceptions.yaml",
  scenario.from_policy { policy = { "k8s/" }, target = "istio@1.31", budget = param "budget" { default = "10m" }, methods = { "GET", "POST" } } }
