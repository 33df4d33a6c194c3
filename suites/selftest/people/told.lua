-- Others are told: the addresses come by parameters, for the ports are the kernel's.
local edge = "client -> payments"
return scenario "told <!channel>" {
  mesh = mesh.istio { policy = "../k8s", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "0ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "200ms" }, settle = "0ms",
  notify = {
    notify.slack { url_from = "PEOPLE_SLACK", events = { "start", "phase", "fault", "human", "verdict", "end" } },
    notify.grafana { url = param "grafana" { default = "http://127.0.0.1:1" }, token = "PEOPLE_TOKEN",
      tags = { "gameday" } },
    notify.webhook { url = param "sealed" { default = "https://127.0.0.1:1/" }, token = "PEOPLE_TOKEN" },
    notify.webhook { url = param "deaf" { default = "http://127.0.0.1:1/" }, events = { "start", "phase", "end" } },
    notify.webhook { url = "http://127.0.0.1:1/away", token = "PEOPLE_NONE" } },
  phase "inject" { lasting = "300ms", fault.abort { on = "payments/1", status = 503, share = "20%" } },
  expect.human { ask = "Seen?", within = "100ms" } }
