-- The data plane of a stream is told by the identity that it presents: `through` is what is asked.
return scenario "raw tcp: path" {
  mesh = mesh.istio { policy = { "connect.yaml" }, version = "1.31" },
  lab = lab { driver = "envoy", tls = param "tls" { default = "mutual" }, service "db" { endpoints = 2, protocol = "tcp", work = "1ms" } },
  load = load.closed { on = "client -> db", protocol = "tcp", users = 2, think = "20ms", reuse = "each", warmup = "200ms" },
  settle = "500ms",
  phase "calm" { lasting = "12s", expect.path { on = "client -> db", through = { param "through" { default = "sidecar" } } } },
}
