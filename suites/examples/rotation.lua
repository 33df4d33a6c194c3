-- Root a to root b under load, on a real Envoy that retries nothing, so that nothing is hidden. In the right order both
-- roots are trusted while leaves change, and not one request may be lost. In the wrong order a leaf comes first: the
-- mesh refuses it with alert 48 (unknown_ca) until its bundle follows.
local rotation = require "std/cert"
local edge = "client -> payments"
local each = { "rotation/payments.yaml", "rotation/each.yaml" } -- a handshake for every request
local protocol = param "protocol" { default = "http1", oneof = { "http1", "http2" } }

local function roll(name, policy, lasting, good, steps, claims)
  return scenario(name) {
    tags = { "tls" },
    mesh = mesh.istio { policy = policy, version = "1.31" },
    lab = lab { driver = "envoy", tls = "mutual",
      service "payments" { endpoints = 3, work = "1ms", protocol = protocol } },
    load = load.open { on = edge, rate = "100/s", warmup = "1s", protocol = protocol },
    settle = "0ms",
    phase "roll" { lasting = lasting, steps, claims, expect.success { on = edge, atleast = good } },
  }
end

return suite "rotation" {
  roll("roots overlap", each, "12s", "100%", {
    at "2s" { cert.trust { add = "root-b", stagger = "200ms" } },
    at "4s" { cert.issue { to = "payments/1", root = "root-b", ttl = "1h" } },
    at "6s" { cert.rotate { root = "root-b", stagger = "200ms" } },
    at "8s" { cert.issue { to = { "client", "payments" }, overlap = "500ms" } },
    at "10s" { cert.trust { drop = "root-a", stagger = "200ms" } } },
    { expect.rotation { on = edge }, expect.mtls { on = edge } }),
  roll("connections are kept", "rotation/payments.yaml", "5s", "100%",
    rotation.rollover { from = "root-a", to = "root-b", step = "1500ms", overlap = "1500ms" },
    { expect.rotation { on = edge, handshakes = "none" } }),
  roll("leaf before trust", each, "6s", "50%",
    rotation.skewed { on = "payments/1", kind = "early_leaf", step = "1500ms" },
    { expect.rotation { on = edge }, expect.refused { on = edge, because = "unknown_root" } }), -- so the skew is meant
}
