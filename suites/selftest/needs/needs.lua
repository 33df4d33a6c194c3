-- What a scenario needs and this place may lack: it is not walked then, and the other one is.
local edge = "client -> payments"
local need = param "need" { default = "human", oneof = { "human", "zones", "tls_owned", "net_admin" } }
local function calm(name, needs) return scenario(name) { needs = needs,
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "200/s", warmup = "200ms" }, settle = "0ms",
  phase "calm" { lasting = "2s", expect.success { on = edge, atleast = "99%" }, expect.success { on = edge, atleast = "90%" } } } end
return suite "needs" { calm("needs nothing"), calm("needs something", { need }) }
