-- The words of suites (spec: scenario language, section 1) and, in hooks/, of hooks (section 4); nothing else is a
-- global there.
local common = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
  "math", "table", "utf8",
  string = { other_fields = true },
}

local function with(own)
  local words = {}
  for _, from in ipairs({ common, own }) do
    for key, value in pairs(from) do
      if type(key) == "number" then words[#words + 1] = value else words[key] = value end
    end
  end
  return words
end

stds.suite = {
  read_globals = with {
    "require",
    -- frame
    "suite", "phase", "at", "during", "group", "param", "lab", "service", "call", "fragment",
    scenario = { other_fields = true },
    -- families
    "fault", "expect", "await", "load", "mesh", "policy", "guard", "probe", "notify", "cert",
  },
}
stds.hook = { read_globals = with { "hook", "act", "rng", "clock", "log" } }

std = "suite"
files["**/hooks/*.lua"] = { std = "hook" }
-- The examples are the specification's own text; elsewhere a line may be as long as the widest of C comments.
max_line_length = 160
files["suites/examples/*.lua"].max_line_length = false
files["suites/examples/lib/*.lua"].max_line_length = false
