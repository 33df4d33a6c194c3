-- checkout calls payments, which answers or is fallen back from; the world between them is whole, broken, and whole again.
local F = fragment { front = "client -> checkout" }
function F.scenario(name, of)
  local good = expect.success { on = F.front, atleast = "99%" }
  return scenario(name) {
    mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
    lab = lab { isolation = of.isolation,
      service "checkout" { endpoints = 1, work = "1ms",
        calls = { call "payments" { path = "/charge", timeout = of.timeout or "600ms",
          fallback = { status = 200, body = "cached" } } } },
      service "payments" { endpoints = 3, work = "1ms" } },
    load = load.open { on = F.front, rate = "120/s", warmup = "500ms" }, settle = "0ms",
    phase "calm" { lasting = param "calm" { default = "4s" }, good },
    phase "broken" { lasting = param "span" { default = "4s" }, of.broken, expect.fallback { on = F.front, within = of.within or "700ms" } },
    phase "healed" { lasting = "4s", good },
  }
end
return F
