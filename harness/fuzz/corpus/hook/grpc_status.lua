-- The backend worked, its answer is whole, and its trailers say that it failed: a retry does the work twice.
return hook "gRPC status" {
  about = "the trailers of a good gRPC answer are rewritten",
  with = { status = "count=14", message = "text=rewritten by a hook", share = "share=100%" },
  on_trailers = function(call)
    if not call.grpc or call.grpc_status ~= 0 or not rng.chance(call.with.share) then return end
    return act.headers { set = { ["grpc-status"] = call.with.status, ["grpc-message"] = call.with.message } }
  end,
}
