-- Two of three endpoints are version v2. What is done to them, and asked of them, leaves the third alone.
return scenario "a subset" {
  mesh = mesh.istio { policy = { "policy.yaml" }, version = "1.31" },
  lab = lab {
    driver = param "driver" { default = "builtin" },
    tls = "off",
    service "payments" { endpoints = 3, versions = { "v1", "v2", "v2" } },
  },
  load = load.open { on = "client -> payments", rate = "200/s", warmup = "500ms" },
  settle = "500ms",
  phase "all of v2" {
    lasting = "6s",
    fault.abort { on = param "fault" { default = "payments@v2" }, status = 503 },
    expect.success { on = param "asked" { default = "payments@v1" }, atleast = "100%", enough = 100 },
  },
  phase "one of v2" {
    lasting = "6s",
    fault.abort { on = "payments@v2/any", status = 503 },
    expect.success { on = "payments@v2", atleast = "20%", enough = 100 },
  },
}
