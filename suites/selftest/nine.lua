-- Three tries by the application times three by the mesh: one failed request becomes nine. Meant to FAIL wherever both
-- layers retry: the second expectation says what the team wants.
local edge, front = "checkout -> payments", "client -> checkout"
return scenario "app retries x mesh retries" {
  tags = { "amplification" },
  mesh = mesh.istio { policy = "nine/", version = "1.31" },
  lab = lab {
    service "checkout" { endpoints = 2, work = "1ms",
      calls = { call "payments" { path = "/charge", timeout = "3s",
        retries = param "app_retries" { default = 2, help = "of the application" } } } },
    service "payments" { endpoints = 3, work = "1ms" },
  },
  load = load.open { on = front, rate = "20/s" },
  settle = "0ms",
  phase "calm" { lasting = "9s", load = load.open { on = front, rate = "60/s" },
    expect.success { on = front, atleast = "99%" } },
  phase "all down" {
    lasting = "8s",
    fault.abort { on = "payments", status = 503 },
    expect.retries { on = edge, only = { "atmost", "happen" } },
    expect.amplification { on = front, atmost = 3, note = "pick one layer to retry in" },
  },
}
