-- Shared by the suites beside it: one topology, one way to ask for honest answers.
local F = fragment { edge = "checkout -> payments", front = "client -> checkout" }
function F.lab(more)
  more = more or {}
  return lab { driver = more.driver, tls = more.tls, isolation = more.isolation, proxies = more.proxies,
    service "checkout" { endpoints = 2, zones = { "a" }, work = "3ms",
      calls = { call "payments" { method = param "method" { default = "POST" }, path = "/charge", timeout = "3s", retries = more.app_retries, fallback = more.fallback, breaker = more.breaker } } },
    service "payments" { endpoints = more.payments or 3, zones = { "a", "b" }, work = "8ms", jitter = "4ms", effects = "x-order", meshed = more.payments_meshed } }
end
function F.load(rate) return load.open { on = F.front, rate = rate or "200/s", headers = { ["x-order"] = "{uuid}" } } end
function F.calm(span) return phase "calm" { lasting = span or "30s", expect.success { on = F.front, atleast = "99.9%" } } end
function F.healed() return phase "healed" { await.steady { on = F.front, within = "90s" }, expect.success { on = F.front, atleast = "99.9%" } } end
F.guards = { guard.stop { probe = probe.client { on = "client -> checkout", value = "errors" }, above = "25%", over = "10s" }, guard.limits { ttl = "5m" } }
return F
