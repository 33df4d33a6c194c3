-- Each fault that raw TCP can have, in a phase of its own: how the streams of a load end. `run` reads the journal.
local function one(name, fault)
  return phase(name) { lasting = "1200ms", fault }
end

return scenario "raw tcp: ends" {
  mesh = mesh.istio { policy = { "connect.yaml" }, version = "1.31" },
  lab = lab {
    driver = param "driver" { default = "builtin" },
    tls = param "tls" { default = "off" },
    service "db" { endpoints = 2, protocol = "tcp", work = "1ms" },
  },
  load = load.closed {
    on = "client -> db", protocol = "tcp", users = 4, think = "20ms", reuse = "each", timeout = "400ms", warmup = "0ms",
    body = "twenty bytes of body", tagged = { cut = 10 },
  },
  settle = "500ms",
  phase "calm" { lasting = "1500ms", expect.success { on = "client -> db", atleast = "95%", enough = 100 } },
  phase "tagged" { lasting = "1200ms", fault.reset { on = "client -> db", match = { tag = "cut" } } },
  one("reset at accept", fault.reset { on = "db", when = "accept" }),
  one("reset", fault.reset { on = "db" }),
  one("reset in the answer", fault.reset { on = "db", when = "response_body", after = "5B" }),
  one("refuse", fault.refuse { on = "db" }),
  one("blackhole", fault.blackhole { on = "db" }),
  one("blackhole at accept", fault.blackhole { on = "db", when = "accept" }),
  one("latency", fault.latency { on = "db", add = "60ms" }),
  one("bandwidth", fault.bandwidth { on = "db", rate = "200B/s", burst = "2B" }),
  one("slicer", fault.slicer { on = "db", size = "5B", delay = "20ms" }),
  one("limit", fault.limit_data { on = "db", bytes = "7B" }),
  one("slow close", fault.slow_close { on = "db", delay = "60ms" }),
  one("corrupt", fault.corrupt { on = "db", every = "10B" }),
  one("partition", fault.partition { on = "client -> db" }),
  phase "healed" { lasting = "1500ms", expect.success { on = "client -> db", atleast = "95%", enough = 100 } },
}
