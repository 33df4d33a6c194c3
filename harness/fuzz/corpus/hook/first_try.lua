-- The first try of one request in so many fails; its retries pass. Drawn by seed and request, so that the same seed
-- picks the same requests again.
return hook "first try" {
  about = "503 for the first try of some requests",
  with = { every = "count=10", status = "count=503" },
  on_request = function(call)
    if call.attempt > 1 or rng.below(call.with.every) ~= 0 then return end
    return act.respond { status = call.with.status }
  end,
}
