-- For suites/selftest/grpc/run: each end of a gRPC call on calls of its own tag, judged by what Istio makes of a policy
-- without retryOn: UNAVAILABLE and CANCELLED in the head, refused streams and a GOAWAY are tried again, nothing else.
local edge = "client -> payments"
local faults, tagged = {}, {}

local function ends(tag, count, make, keys)
  keys.on, keys.match = "payments", { tag = tag }
  if tag:sub(1, 3) == "f1:" then keys.first = 1 end
  faults[#faults + 1] = make(keys)
  tagged[tag] = count
end

ends("f1:grpc-14", 15, fault.abort, { grpc = "UNAVAILABLE" })
ends("all:grpc-14", 15, fault.abort, { grpc = "UNAVAILABLE" })
ends("f1:grpc-1", 15, fault.abort, { grpc = "CANCELLED" })
ends("f1:stream", 15, fault.rst_stream, { code = "REFUSED_STREAM" })
for code, name in pairs { [2] = "UNKNOWN", [3] = "INVALID_ARGUMENT", [5] = "NOT_FOUND", [7] = "PERMISSION_DENIED",
  [8] = "RESOURCE_EXHAUSTED",
  [10] = "ABORTED", [13] = "INTERNAL" } do
  ends("all:grpc-" .. code, 8, fault.abort, { grpc = name })
end
ends("all:late-14", 8, fault.abort, { grpc = "UNAVAILABLE", where = "trailers" })
ends("all:503", 8, fault.abort, { status = 503 })
ends("all:rst_stream", 8, fault.rst_stream, { code = "CANCEL" })
ends("f1:cut", 15, fault.rst_stream, { code = "CANCEL", when = "body" })
ends("all:hold", 10, fault.blackhole, { when = "request" })

local steps = { lasting = "20s", load = load.open { on = edge, protocol = "grpc", call = "shop.Payments/Charge",
      rate = "60/s", warmup = "0s",
  tagged = tagged, tag_every = "60ms" },
  expect.retries { on = edge, only = { "atmost", "happen", "conditions", "committed" } },
  expect.timeout { on = edge, only = { "request" } },
  expect.status { on = edge } }
for _, f in ipairs(faults) do steps[#steps + 1] = f end

return scenario "gRPC calls that fail" {
  mesh = mesh.istio { policy = "../../examples/grpc/", version = "1.31" },
  lab = lab { driver = "envoy", service "payments" { protocol = "grpc", endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, protocol = "grpc", call = "shop.Payments/Charge",
      rate = "60/s" },
  settle = "0ms",
  phase "mixed" (steps),
  phase "goaway" { lasting = "6s",
    load = load.open { on = edge, protocol = "grpc", call = "shop.Payments/Charge",
      rate = "20/s", warmup = "0s", connections = 1 },
    fault.goaway { on = "payments", last = "none", first = 1, share = "30%" },
    expect.retries { on = edge, only = { "happen" } } },
}
