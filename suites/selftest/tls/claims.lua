-- The claims of mTLS and of rotations on a real Envoy: a right rotation, each wrong order, declared skews, and every
-- leaf that can be wrong. `claims` beside this file runs it on the right Envoy and on wrong ones, and says which claim
-- must tell.
local rotation = require "std/cert"
local edge = "client -> payments"
local wanted = param "scenario" { default = "all" }

local function one(name, body)
  body.tags = { "tls" }
  body.mesh = mesh.istio { policy = body.policy or "claims_policy/payments.yaml", version = "1.31" }
  body.policy = nil
  body.lab = lab { driver = "envoy", tls = "mutual", service "payments" { endpoints = 3, work = "1ms" } }
  body.load = body.load or load.open { on = edge, rate = "100/s", warmup = "500ms" }
  body.settle = "0ms"
  return (wanted == "all" or wanted == name) and scenario(name)(body) or {}
end

local order = { expect.rotation { on = edge } }
local skew = { expect.rotation { on = edge }, expect.refused { on = edge, because = "unknown_root" } }

-- One endpoint shows the leaf, two times of four; the others are as they must be.
local function shown(kind)
  return phase(kind) { lasting = "1500ms",
    fault.cert { on = "payments/2", kind = kind, streak = 3 },
    expect.mtls { on = edge } }
end

-- All endpoints show it, and each request comes alone.
local alone = load.closed { on = edge, users = 1, think = "60ms", warmup = "0ms" }
local function alone_with(kind)
  return phase("alone " .. kind) { lasting = "1500ms", load = alone,
    fault.cert { on = "payments", kind = kind }, expect.refused { on = edge } }
end

local function skewed(kind)
  return one(kind, { phase "skew" { lasting = "8s",
    rotation.skewed { on = "payments/1", kind = kind, step = "2s" }, skew } })
end
local function disordered(kind)
  return one(kind .. " undeclared", { phase "skew" { lasting = "8s",
    rotation.skewed { on = "payments/1", kind = kind, step = "2s" }, order } })
end

return suite "claims of TLS" {
  one("right order", { phase "roll" { lasting = "10s",
    at "1s" { cert.trust { add = "root-b", stagger = "100ms" } },
    at "3s" { cert.issue { to = "payments", root = "root-b" } },
    at "5s" { cert.issue { to = "client", root = "root-b", ttl = "2h" } },
    at "7s" { cert.trust { drop = "root-a" } },
    order, expect.mtls { on = edge }, expect.success { on = edge, atleast = "100%" } } }),
  one("kept connections", { policy = "claims_policy/kept.yaml", phase "roll" { lasting = "6s",
    at "1s" { cert.trust { add = "root-b" } },
    at "2s" { cert.rotate { root = "root-b", reconnect = "none" } },
    at "4s" { cert.trust { drop = "root-a" } },
    expect.rotation { on = edge, handshakes = "none" } } }),
  skewed "early_leaf", skewed "late_leaf", skewed "late_trust",
  disordered "early_leaf", disordered "late_leaf", disordered "late_trust",
  one("wrong leaves", {
    phase "calm" { lasting = "1s" },
    shown "expired", shown "not_yet_valid", shown "wrong_san", shown "wrong_trust_domain",
    shown "unknown_root", shown "missing_intermediate", shown "samename_root",
    alone_with "expired", phase "heal" { lasting = "1s" }, alone_with "wrong_san", phase "healed" { lasting = "1s" } }),
  -- The mesh's leaf is refused by all of them: in TLS 1.3 a connection that was made and then ended.
  one("one root lost", { load = alone,
    phase "calm" { lasting = "1s" },
    phase "alone" { lasting = "2s", cert.issue { to = "client", root = "root-b" },
      expect.refused { on = edge, because = "unknown_root" } },
    phase "healed" { lasting = "1s", cert.issue { to = "client", root = "root-a" } } }),
  one("awaited", {
    phase "roll" { lasting = "3s", at "500ms" { cert.rotate { root = "root-a" } },
      at "1s" { cert.trust { add = "root-b" } } },
    phase "here" { await.cert { on = "payments", root = "root-b", within = "2s" },
      await.cert { on = "client", root = "root-b", within = "2s" } } }),
  one("stalled", { policy = "claims_policy/connect.yaml", load = load.open { on = edge, rate = "20/s" },
    phase "stall" { lasting = "8s", fault.tls_stall { on = "payments/3", step = "server_hello", hold = "20s" },
      expect.timeout { on = edge, only = "connect" } } }),
}
