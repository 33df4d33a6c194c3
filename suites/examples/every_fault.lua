-- Every stream fault that HTTP/1.1 can meet, one a phase, against a mesh that retries what it may. It ends once its
-- fault has done something ten times: a fault that was only chosen, and did nothing, does not count.
local edge = "client -> payments"

-- Each word with keys that make it bite on small answers; a fifth of the tries, so that no endpoint is ejected for it.
local function bite(name, make)
  return phase(name) {
    make { on = "payments", share = "20%", name = name },
    await.fired { fault = name, times = 10, within = "15s" },
  }
end
local function with(word, keys)
  return function(common)
    for key, value in pairs(keys) do common[key] = value end
    return word(common)
  end
end

return scenario "every fault" {
  about = "each stream fault of HTTP/1.1 fires, and requests still succeed where retries can help",
  tags = { "example", "faults" },
  mesh = mesh.istio { policy = "k8s/", version = "1.31" },
  lab = lab { service "payments" { endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, rate = "100/s", warmup = "500ms" },
  settle = "0ms",

  phase "calm" { lasting = "4s", expect.success { on = edge, atleast = "99%" } },
  bite("abort", with(fault.abort, { status = 503, retry_after = "1s" })),
  bite("abort after", with(fault.abort, { status = 503, reply = "after" })),
  bite("abort grpc", with(fault.abort, { grpc = "UNAVAILABLE", where = "trailers" })),
  bite("reset head", with(fault.reset, {})),
  bite("reset answer", with(fault.reset, { when = "response_head" })),
  bite("reset body", with(fault.reset, { when = "response_body" })),
  bite("latency", with(fault.latency, { add = "50ms", jitter = "10ms", distribution = "normal" })),
  bite("bandwidth", with(fault.bandwidth, { rate = "1KiB/s", burst = "1B" })),
  bite("slicer", with(fault.slicer, { size = "1B", delay = "1ms" })),
  bite("limit_data", with(fault.limit_data, { bytes = "1B" })),
  bite("blackhole", with(fault.blackhole, { when = "response" })),
  bite("corrupt", with(fault.corrupt, { every = "1B" })),
  bite("replace", with(fault.replace, { status = 404, headers = { ["x-fault"] = "replace" }, body = "not here" })),
  bite("malformed empty", with(fault.malformed, { kind = "empty" })),
  bite("malformed status", with(fault.malformed, { kind = "bad_status_line" })),
  bite("malformed chunk", with(fault.malformed, { kind = "bad_chunk" })),
  bite("malformed random", with(fault.malformed, { kind = "random", size = "1KiB" })),
  bite("malformed header", with(fault.malformed, { kind = "oversized_header", size = "128KiB" })),
  phase "slow_close" { about = "there is an end to delay only where a connection ends",
    fault.limit_data { on = "payments", bytes = "1B", share = "20%", name = "cut" },
    fault.slow_close { on = "payments", delay = "200ms", name = "slow_close" },
    await.fired { fault = "slow_close", times = 10, within = "15s" },
  },
  phase "healed" { lasting = "6s", expect.success { on = edge, atleast = "99%" } },
}
