-- An edge is cut in a lab that is not isolated: the fault proxies are silent to checkout, whose own defences must hold.
local edge = "checkout -> payments"
local way = param "way" { default = "both", oneof = { "both", "to", "from" } }
local on = param "on" { default = edge, oneof = { edge, "payments" } }
return require "lib/broken".scenario("an edge is cut", { broken = fault.partition { on = on, direction = way } })
