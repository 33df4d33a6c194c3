-- Each word of the language that the numbered examples leave out, in small scenarios that run by themselves.
local edge = "client -> payments"
local function small(more)
  return lab { driver = more and "envoy" or nil, tls = more and "mutual" or nil, service "payments" { endpoints = 3, work = "2ms" } }
end

return suite "every other word" { tags = { "example" }, load = load.open { on = edge, rate = "100/s" },
  notify = { notify.webhook { url = param "webhook" { default = "http://127.0.0.1:9/hook", help = "who is told" }, events = { "phase", "verdict", "end" } } },
  scenario "world faults of the lab" { mesh = mesh.istio { policy = "k8s/", version = "1.31" }, lab = small(), settle = "1s",
    probes = {
      port = probe.tcp { address = param "port" { default = "127.0.0.1:9", help = "an address that is watched" }, every = "1s", timeout = "500ms" },
      health = probe.grpc_health { address = param "health" { default = "127.0.0.1:9", help = "a grpc.health.v1 server" }, service = "shop", every = "1s", timeout = "500ms" } },
    phase "one endpoint stands still" { lasting = "8s", load = load.closed { on = edge, users = 4, think = "10ms" },
      group "both" { fault.pause { on = "payments/1" }, fault.latency { on = "payments/2", add = policy.inside "per_try_timeout" } },
      expect.success { on = edge, atleast = "50%" } },
    phase "one refuses" { await.requests { on = edge, count = 200, within = "20s" },
      fault.refuse { on = "payments/3" },
      expect.retries { on = edge, only = { "other_host" } } },
    phase "one is put out" { load = load.closed { on = edge, users = 1, think = "100ms" },
      fault.abort { on = "payments/2", status = 503, name = "bad one" },
      await.ejected { on = "payments/2", within = "60s" } },
    phase "a probe says that it is over" { await.probe { probe = "port", above = 0, within = "5s", late = "go_on" } } },
  scenario "limits of a pool" { mesh = mesh.istio { policy = "limits/", version = "1.31" }, lab = small(),
    phase "more than may wait" { lasting = "10s", load = load.closed { on = edge, users = 24 },
      fault.latency { on = "payments", add = "100ms" },
      expect.breaker { on = edge } } },
  scenario "handshakes" { mesh = mesh.istio { policy = "k8s/", version = "1.31" }, lab = small "tls", load = load.open { on = edge, rate = "20/s", reuse = "each" },
    phase "a handshake stands still" { lasting = "10s",
      fault.tls_stall { on = "payments/1", step = "server_hello", hold = "2s" },
      expect.success { on = edge, atleast = "50%" } },
    phase "a handshake is ended" { lasting = "10s",
      fault.tls_alert { on = "payments/1", alert = "internal_error", step = "certificate" },
      expect.refused { on = "client -> payments/1", because = "any" } } },
  scenario "the other targets" { mesh = mesh.gateway_api { policy = "gateway/", version = "1.6" }, lab = small(),
    phase "steady" { lasting = "5s", fault.hook { on = "payments", use = "hooks/every_other_act.lua", with = { what = "drop" }, share = "1%" },
      expect.success { on = edge, atleast = "90%" } } },
  scenario "behind a waypoint" { mesh = mesh.istio_ambient { policy = "ambient/", version = "1.31" }, lab = small(),
    phase "some first tries fail" { lasting = "8s", fault.abort { on = "payments", status = 503, first = 1, share = "30%" },
      expect.retries { on = edge, only = { "atmost", "happen" } } } } }
