-- Breaks the JSON of an answer without changing its length: the last closing brace becomes a space.
-- A client that parses must notice; one that only looks at the status will not.
return hook "corrupt JSON" {
  about = "the last brace of a JSON answer goes missing",
  with = { share = "share=100%" },
  on_response = function(call)
    local kind = call.reply.header["content-type"] or ""
    call.ctx.hit = string.glob(kind, "application/json*") and rng.chance(call.with.share)
  end,
  on_response_data = function(call, chunk)
    if not call.ctx.hit or not chunk.last then return end
    for i = #chunk, math.max(1, #chunk - 1000), -1 do
      if chunk:byte(i) == 125 then return act.replace(chunk:sub(1, i - 1) .. " " .. chunk:sub(i + 1)) end
    end
  end,
}
