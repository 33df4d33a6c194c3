-- Two headers decide: requests of one tenant and one tier get an error, all others pass.
return hook "tag router" {
  about = "an error answer for one tenant's tier",
  with = { tenant = "text!", tier = "text=gold", status = "count=503" },
  on_request = function(call)
    if call.header["x-tenant"] ~= call.with.tenant or call.header["x-tier"] ~= call.with.tier then return end
    return act.respond { status = call.with.status, headers = { ["x-routed-by"] = "tag router" }, body = "not today\n" }
  end,
}
