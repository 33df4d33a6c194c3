-- What runs already stands behind the fault proxies, one endpoint an address; a failure of it is in quarantine.
local edge = "client -> payments"
return scenario "a program of ours" { settle = "0s",
  mesh = mesh.istio { policy = "../arms/two/", version = "1.31" },
  lab = lab { service "payments" { address = string.split(param "addresses" { default = "127.0.0.1:9,127.0.0.1:9" }, ",") } },
  load = load.open { on = edge, rate = "100/s", warmup = "500ms" },
  quarantine = { until_date = param "until" { default = "2000-01-01" }, owner = "payments", reason = "PAY-12" },
  phase "first tries fail" { lasting = "5s",
    fault.abort { on = "payments", status = 503, first = 1, share = "20%" },
    expect.success { on = edge, atleast = param "atleast" { default = "99%" }, good = param "good" { default = "200" } } } }
