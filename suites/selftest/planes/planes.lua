-- Ambient, played by a waypoint: its mark is on every try, and a sidecar that was left over leaves its own.
local edge = "client -> payments"
return scenario "through the waypoint alone" { lint = "report", settle = "0s",
  mesh = mesh.istio_ambient { policy = "ambient/", version = "1.31" },
  lab = lab { proxies = param "proxies" { default = "waypoint" },
    service "payments" { endpoints = 2, work = "1ms", meshed = param "meshed" { default = "yes" } } },
  load = load.open { on = edge, rate = "150/s", warmup = "500ms" },
  phase "as deployed" { lasting = "5s",
    fault.abort { on = "payments", status = 503, first = 1, share = "20%" },
    expect.success { on = edge, atleast = "99%" },
    expect.path { on = edge, through = { "waypoint" }, never = { "sidecar", "none" } } } }
