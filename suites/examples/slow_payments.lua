-- Payments drags, then one endpoint fails: the mesh must cut what is too slow, keep what is not, retry what it may,
-- and take the bad endpoint out. The numbers are the policy's (k8s/payments.yaml); the one typed here is stricter
-- than 1 + attempts, and the report says so.
local edge = "client -> payments"
local rate = param "rate" { default = "100/s", help = "requests offered to payments" }

local function calm(name)
  return phase(name) { lasting = "10s", expect.success { on = edge, atleast = "99%" } }
end

return scenario "slow payments" {
  about = "payments drags, then one endpoint fails",
  tags = { "example", "istio" },
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "2ms" } },
  load = load.open { on = edge, rate = rate },

  calm "calm",
  phase "payments drags" {
    about = "some answers come too late for one try, some just in time", lasting = "20s",
    fault.latency { on = "payments", add = policy.beyond "per_try_timeout", share = "10%", first = 1 },
    fault.latency { on = "payments", add = policy.value { field = "per_try_timeout", times = 0.8 }, share = "10%" },
    expect.timeout { on = edge, only = { "per_try" } },
    expect.retries { on = edge, only = { "happen", "other_host" } },
    expect.amplification { on = edge, atmost = 1.6 },
  },
  phase "quiet" { lasting = "2s", load = load.open { on = edge, rate = "50/s" } },
  phase "one endpoint fails" {
    about = "one request at a time, so that the failures are counted one by one",
    lasting = "20s", load = load.closed { on = edge, users = 1, think = "100ms" },
    fault.abort { on = "payments/2", status = 503, name = "bad one" },
    expect.ejection { on = "payments", only = { "trips" } },
  },
  phase "readmission" { await.readmitted { on = "payments/2", within = "20s" } },
  calm "healed",
}
