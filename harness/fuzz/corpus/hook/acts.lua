local kept
return hook "acts" {
  with = { a = "text=x", d = "duration=2s", n = "count=3", p = "ratio=30%" },
  on_connect = function(conn) conn.ctx.n = 1 return act.hold("1ms") end,
  on_client_hello = function(conn, hello) if #hello.alpn > 0 then return act.alert "bad_certificate" end end,
  on_request = function(call) call.ctx.x = call.query.a return act.headers { set = { a = 1 }, drop = { "b" } } end,
  on_request_data = function(call, chunk) kept = chunk return act.replace(chunk:sub(2, -2) .. string.rep("z", 3)) end,
  on_response = function(call) return act.respond { grpc = "INTERNAL", message = call.header.host } end,
  on_response_data = function(call, chunk) if kept then return act.replace(kept:bytes()) end return act.drop() end,
  on_trailers = function(call) log.warn(call.ctx.x or "none") return act.rst_stream "CANCEL" end,
  on_close = function(conn) log.info(conn.ctx.n .. string.format("%s", pcall(error))) end,
}
