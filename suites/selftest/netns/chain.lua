-- A chain of calls whose services live in network namespaces of their own: faults on one edge, the other as
-- calm as before.
local edge = "checkout -> payments"
local driver = param "driver" { default = "builtin", help = "who plays the mesh" }
return scenario "a chain in namespaces" {
  mesh = mesh.istio { policy = "../k8s/", version = "1.31" },
  lab = lab { driver = driver, isolation = "netns",
    service "checkout" { zones = { "a" }, work = "0ms", calls = { call "payments" { timeout = "10s" } } },
    service "payments" { endpoints = 3, zones = { "a", "b" }, work = "0ms" } },
  load = load.open { on = "client -> checkout", rate = "100/s", warmup = "500ms" },
  settle = "0ms",
  phase "calm" { lasting = "4s", expect.success { on = "client -> checkout", atleast = "99%" } },
  phase "first tries fail" { lasting = "6s",
    fault.abort { on = edge, status = 503, first = 1, share = "30%" },
    expect.retries { on = edge, only = { "happen" } },
    expect.success { on = "client -> checkout", atleast = "99%" } },
  phase "all tries fail" { lasting = "6s",
    fault.abort { on = edge, status = 503, share = "20%" },
    expect.retries { on = edge, only = { "atmost" } } },
}
