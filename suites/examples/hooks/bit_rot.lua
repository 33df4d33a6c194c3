-- Flip one bit per window of each reply for one tier, then stall the trailers.
return hook "bit rot" {
  with = { tier = "text!", every = "bytes=64KiB", stall = "duration=2s" },
  on_request = function(call) call.ctx.hit = call.header["x-user-tier"] == call.with.tier end,
  on_response_data = function(call, chunk)
    if not call.ctx.hit then return end                                -- nothing returned: pass
    local w = call.with.every
    if call.seen // w == (call.seen + #chunk) // w then return end
    return act.replace(chunk:flip(rng.below(8 * #chunk)))
  end,
  on_trailers = function(call) if call.ctx.hit then return act.hold(call.with.stall) end end,
}
