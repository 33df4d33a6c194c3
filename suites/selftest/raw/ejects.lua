-- An endpoint of raw TCP that refuses: a mesh counts its connects, puts it out, and lets it in again.
local defect = param "defect" { default = "none", help = "of the builtin mesh" }

return scenario "raw tcp: ejection" {
  mesh = mesh.istio { policy = { "ejects.yaml" }, version = "1.31" },
  lab = lab {
    driver = param "driver" { default = "builtin" },
    tls = "off",
    defects = defect ~= "none" and { defect } or {},
    service "db" { endpoints = 3, protocol = "tcp", work = "1ms" },
  },
  load = load.open { on = "client -> db", protocol = "tcp", rate = "200/s", reuse = "each", warmup = "1s" },
  settle = "500ms",
  phase "calm" { lasting = "4s", expect.success { on = "client -> db", atleast = "100%" } },
  phase "refused" { lasting = "9s", fault.refuse { on = "db/2" }, expect.ejection { on = "db", only = { "trips", "stays", "returns", "metrics" } } },
}
