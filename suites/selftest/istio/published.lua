-- For discover: the seed article's policies as it published them, on the two edges that they are about.
local checkout, payments = "client -> checkout", "client -> payments"
return scenario "the article's policies as published" {
  mesh = mesh.istio { policy = "../../seed/published/", version = "1.31" },
  lab = lab { service "checkout" { endpoints = 3, work = "1ms" }, service "payments" { endpoints = 3, work = "1ms" } },
  lint = "report", -- the errors are what is looked at
  load = { load.open { on = checkout, rate = "20/s", path = "/api/pay" }, load.open { on = payments, rate = "20/s" } },
  phase "calm" { lasting = "1s", expect.success { on = checkout, atleast = "99%" }, expect.success { on = payments, atleast = "99%" } },
}
