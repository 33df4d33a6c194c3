-- line 10
local edge = "client -> payments"
return scenario "leaf before trust" {
  mesh = mesh.istio { policy = "retry.non_idempotent.pass.yaml", version = "1.31" },
  lab = lab { driver = "envoy", tls = "mutual", service "payments" { endpoints = 2 } },
  load = load.open { on = edge, rate = "50/s" },
  settle = "0ms",
  phase "roll" {
    lasting = "9s",
    at "2s" { cert.rotate { root = "root-b", stagger = "200ms" } },
    at "4s" { cert.trust { add = "root-b", stagger = "200ms" } },
    at "6s" { cert.trust { drop = "root-a", stagger = "200ms" } },
    expect.success { on = edge, atleast = "50%" },
  },
}
