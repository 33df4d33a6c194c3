-- The mesh's proxy of a caller is stopped, killed, or restarted. What the application does for itself must
-- hold without it.
local how = param "how" { default = "kill", oneof = { "pause", "kill", "restart" } }
local broken = {
  pause = fault.pause { on = "checkout", what = "proxy" },
  kill = fault.kill { on = "checkout", what = "proxy" },
  restart = fault.restart { on = "checkout", what = "proxy", grace = "1s", down = "1s" },
}
return require "lib/broken".scenario("a mesh proxy dies", { broken = broken[how], timeout = "300ms", within = "400ms" })
