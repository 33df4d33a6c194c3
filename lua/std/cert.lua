-- std/cert: rotations that are often wanted, as lists of steps for a phase (scenario-language.md 1.6).
--   rollover { from = "root-a", to = "root-b", step = "20s", overlap = "40s" }   add, rotate, wait, drop
--   skewed   { on = "payments/1", kind = "early_leaf", ... }                    the same with one step out of order

local second = 1000000000
local units = { ns = 1, us = 1000, ms = 1000000, s = second, m = 60 * second, h = 3600 * second, d = 86400 * second }

local function fail(word, key, value)
  local shown = type(value) == "string" and '"' .. value .. '"' or tostring(value)
  error("std/cert: " .. word .. ": " .. key .. " is " .. shown .. '; it must be a duration such as "20s"', 0)
end

-- "1m30s" -> nanoseconds
local function duration(word, key, text)
  local total, at = 0, 1
  if type(text) ~= "string" or text == "" then fail(word, key, text) end
  while at <= #text do
    local number = at
    while number <= #text and tonumber(text:sub(number, number)) do number = number + 1 end
    local unit = number
    while unit <= #text and not tonumber(text:sub(unit, unit)) do unit = unit + 1 end
    local factor = units[text:sub(number, unit - 1)]
    if number == at or number - at > 9 or not factor then fail(word, key, text) end
    total, at = total + tonumber(text:sub(at, number - 1)) * factor, unit
  end
  return total
end

local function take(word, given, defaults)
  if type(given) ~= "table" then error("std/cert: " .. word .. " takes one table", 0) end
  local taken = {}
  for key in pairs(given) do
    if defaults[key] == nil then error("std/cert: " .. word .. ' has no key "' .. tostring(key) .. '"', 0) end
  end
  for key, value in pairs(defaults) do
    if given[key] ~= nil then taken[key] = given[key] else taken[key] = value end
  end
  return taken
end

local function after(ns) return at(tostring(math.tointeger(ns)) .. "ns") end

local common = { from = "root-a", to = "root-b", step = "20s", overlap = "40s", stagger = "0s", reconnect = "drain" }

-- Everyone trusts both roots before anyone presents a leaf of the new one, and until nobody presents one of the old.
local function rollover(given)
  local o = take("rollover", given, common)
  local step, overlap = duration("rollover", "step", o.step), duration("rollover", "overlap", o.overlap)
  return {
    cert.trust { add = o.to, stagger = o.stagger },
    after(step) { cert.rotate { root = o.to, stagger = o.stagger, reconnect = o.reconnect } },
    after(step + overlap) { cert.trust { drop = o.from, stagger = o.stagger } },
  }
end

-- One step of a place out of order; after another step all is as a rollover would leave it.
--   early_leaf: it presents a leaf of the new root before anyone trusts that
--   late_leaf:  it still presents a leaf of the old root when nobody trusts that any more
--   late_trust: it does not trust the new root when all others present leaves of it
local function skewed(given)
  local o = take("skewed", given, { on = "", kind = "early_leaf", from = common.from, to = common.to,
    step = common.step, reconnect = common.reconnect })
  local step = duration("skewed", "step", o.step)
  if o.on == "" then error("std/cert: skewed needs on", 0) end
  if o.kind == "early_leaf" then
    return {
      cert.issue { to = o.on, root = o.to },
      after(step) { cert.trust { add = o.to } },
      after(2 * step) { cert.rotate { root = o.to, reconnect = o.reconnect } },
      after(3 * step) { cert.trust { drop = o.from } },
    }
  elseif o.kind == "late_leaf" then
    return {
      cert.trust { add = o.to },
      after(step) {
        cert.rotate { root = o.to, reconnect = o.reconnect },
        cert.issue { to = o.on, root = o.from },
      },
      after(2 * step) { cert.trust { drop = o.from } },
      after(3 * step) { cert.issue { to = o.on, root = o.to } },
    }
  elseif o.kind == "late_trust" then
    return {
      cert.trust { add = o.to }, cert.trust { drop = o.to, to = o.on },
      after(step) { cert.rotate { root = o.to, reconnect = o.reconnect } },
      after(2 * step) { cert.trust { add = o.to, to = o.on } },
      after(3 * step) { cert.trust { drop = o.from } },
    }
  end
  error('std/cert: skewed: kind is "' .. tostring(o.kind) .. '"; it is one of early_leaf, late_leaf, late_trust', 0)
end

return { rollover = rollover, skewed = skewed }
