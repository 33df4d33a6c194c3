-- The head of the answer comes at once, its first byte late: the time to first byte is good, and the
-- user waits all the same.
return hook "slow first byte" {
  about = "a normal head, then a pause before the body",
  with = { pause = "duration=200ms", spread = "duration=0ms" },
  on_response_data = function(call)
    if call.seen > 0 or call.ctx.paused then return end
    call.ctx.paused = true
    return act.hold(call.with.pause + rng.below(call.with.spread + 1))
  end,
}
