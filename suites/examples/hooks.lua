-- Faults decided by a few lines of Lua of one's own (hooks/*.lua): gold users of one tenant get errors, which the
-- mesh must retry; everybody else must not notice.
local edge = "client -> payments"

return scenario "hooks" {
  about = "a fault that only code can say",
  tags = { "example" },
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "2ms" } },
  load = load.open { on = edge, rate = "100/s" },

  phase "errors by code" {
    lasting = "8s",
    fault.hook { on = "payments", use = "hooks/first_try.lua", with = { every = 10 }, name = "one in ten" },
    expect.retries { on = edge, only = { "happen" } },
    expect.success { on = edge, atleast = "99%" },
  },
  phase "slow first byte" {
    lasting = "8s",
    fault.hook { on = "payments", use = "hooks/slow_first_byte.lua", with = { pause = "20ms" } },
    expect.success { on = edge, atleast = "99%" },
  },
  phase "healed" { lasting = "8s", expect.success { on = edge, atleast = "99%" } },
}
