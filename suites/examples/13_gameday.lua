local shop = require "lib/shop"
return scenario "game day: payments in staging" { tags = { "gameday" }, owner = "team-payments", needs = { "human" }, deadline = "90m",
  mesh = mesh.istio { policy = "k8s/", version = "1.31" }, lab = shop.lab(), load = shop.load "50/s",
  probes = { orders = probe.promql { query = 'sum(rate(orders_total{env="staging"}[1m]))' }, shopfront = probe.http { url = "https://shop.staging.example/health" } },
  guard = { guard.approval { ask = "Start? On-call is told, dashboards are open.", role = "incident-lead" }, guard.window { allow = { "Mon-Thu 09:00-16:00" }, zone = "Europe/Berlin" },
    guard.stop { probe = "orders", below = 5, over = "30s", note = "orders below five a second" }, guard.stop { probe = "shopfront", below = 1, over = "15s" },
    guard.limits { endpoints = "34%", keep = 2, ttl = "10m", namespaces = { "shop" } } },
  notify = { notify.slack { url_from = "SLACK_GAMEDAY" }, notify.grafana { url = "https://grafana.example", token = "GRAFANA_TOKEN", tags = { "gameday" } } },
  phase "baseline" { lasting = "3m", expect.success { on = shop.front, atleast = "99.9%" }, expect.probe { probe = "orders", above = 20 } },
  phase "inject, and wait for the pager" { fault.abort { on = "payments/any", status = 503, share = "50%", to_end_of = "mitigate", name = "bad node" },
    await.human { ask = "Has the alert 'payments 5xx' fired? Answer when on-call has acknowledged.", role = "observer", within = "10m", late = "go_on" }, expect.human { ask = "Which alert fired first?", answer = "payments 5xx", within = "5m" } },
  phase "mitigate" { await.human { ask = "On-call: drain the bad node. Done?", role = "on-call", within = "20m" }, expect.retries { on = shop.edge, only = { "atmost", "conditions" } } },
  phase "healed" { await.steady { on = shop.front, within = "3m" }, expect.human { ask = "Runbook correct?", within = "10m" } } }
