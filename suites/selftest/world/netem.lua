-- Packets of one edge are late, or lost, on a real kernel: checkout's calls to payments alone.
local edge = "checkout -> payments"
local how = param "how" { default = "delay", oneof = { "delay", "partition", "overlap" } }
local broken = {
  delay = fault.netem { on = edge, delay = "80ms" },
  partition = fault.partition { on = edge },
  overlap = { fault.netem { on = edge, delay = "80ms" }, fault.partition { on = "payments" } },
}
return require "lib/broken".scenario("packets of one edge", { broken = broken[how], isolation = "netns" })
