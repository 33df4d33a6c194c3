-- For suites/selftest/grpc/client: calls through a gRPC client whose own retry policy says what client.yaml says.
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
ends("all:grpc-3", 25, fault.abort, { grpc = "INVALID_ARGUMENT" })
ends("all:grpc-5", 8, fault.abort, { grpc = "NOT_FOUND" })
ends("all:late-14", 8, fault.abort, { grpc = "UNAVAILABLE", where = "trailers" })

local steps = { lasting = "6s", load = load.open { on = edge, protocol = "grpc", call = "shop.Payments/Charge",
    rate = "60/s", warmup = "0s",
  tagged = tagged, tag_every = "60ms" },
  expect.retries { on = edge, only = { "atmost", "happen", "conditions" } } }
for _, f in ipairs(faults) do steps[#steps + 1] = f end

return scenario "a gRPC client's own retries" {
  mesh = mesh.istio { policy = "client.yaml", version = "1.31" },
  lab = lab { driver = "external", service "payments" { protocol = "grpc", endpoints = 3, work = "1ms" } },
  load = load.open { on = edge, protocol = "grpc", call = "shop.Payments/Charge", rate = "60/s" },
  settle = "0ms",
  phase "mixed" (steps),
}
