local shop = require "lib/shop"
return scenario "bit rot for gold customers" { mesh = mesh.istio { policy = "k8s/", version = "1.31" }, lab = shop.lab(), load = shop.load(),
  phase "rot" { lasting = "60s", fault.hook { on = "payments", use = "hooks/bit_rot.lua", with = { tier = "gold", every = "64KiB", stall = "2s" }, share = "10%" }, expect.timeout { on = shop.edge } } }
