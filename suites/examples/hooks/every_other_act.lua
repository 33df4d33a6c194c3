-- Each act that the other hooks leave out, one by its name: drop, reset, close, rst_stream, goaway, alert.
local slow = 0
return hook "every other act" {
  about = "one act, by its name",
  with = { what = "text=reset", spread = "duration=2ms" },
  on_connect = function(conn)
    if #string.split(conn.from or "", ",") > 1 then log.warn("more than one caller on a connection") end
  end,
  on_client_hello = function(conn)
    if conn.ctx.alert then return act.alert "bad_certificate" end
  end,
  on_request = function(call)
    local what = call.with.what
    if what == "late" then -- some are held a little, as a slow disk would
      slow = slow + 1
      if slow % 100 == 0 then log.info("held " .. slow .. " by " .. clock.now()) end
      return act.hold(math.max(0, math.floor(rng.normal(call.with.spread, call.with.spread / 4) + rng.uniform(0, 1))))
    end
    if what == "reset" then return act.reset() end
    if what == "close" then return act.close() end
    if what == "rst_stream" then return act.rst_stream "CANCEL" end
    if what == "goaway" then return act.goaway "NO_ERROR" end
  end,
  on_response_data = function(call)
    if call.with.what == "drop" then return act.drop() end
  end,
}
