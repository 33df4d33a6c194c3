-- Real programs as endpoints: payments, and checkout, which calls it through the mesh. Endpoints of payments are paused, killed
-- and started again.
local direct, through = "client -> payments", "client -> checkout"
local function calls(on, rate) return load.open { on = on, rate = rate, warmup = "500ms", timeout = "5s" } end

return suite "shop" {
  scenario "programs" {
    mesh = mesh.istio { policy = { "policy.yaml" }, version = "1.31" },
    lab = lab {
      service "checkout" { run = "python3 backend.py", calls = { call "payments" {} } },
      service "payments" { run = param "backend" { default = "python3 backend.py" }, endpoints = 2 } },
    load = { calls(direct, "60/s"), calls(through, "20/s") },
    settle = "0ms",
    phase "errors" { lasting = "2s",
      fault.abort { on = "payments", status = 503, share = "40%" },
      expect.retries { on = direct, only = { "atmost" } } },
    phase "paused" { lasting = "1s", fault.pause { on = "payments/1" } },
    phase "restarted" { lasting = "2s", fault.restart { on = "payments/2", down = "300ms" } },
    phase "back" { await.steady { on = through, hold = "1s", within = "20s" } },
    phase "healed" { lasting = "6s",
      expect.success { on = direct, atleast = "90%" }, expect.success { on = through, atleast = "80%" } },
  },
}
