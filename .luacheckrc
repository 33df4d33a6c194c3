-- The words of suites (spec: scenario language, section 1); nothing else is a global there.
std = {
  read_globals = {
    "assert", "error", "ipairs", "next", "pairs", "pcall", "require", "select", "tonumber", "tostring", "type",
    "math", "table", "utf8",
    string = { other_fields = true },
    -- frame
    "suite", "phase", "at", "during", "group", "param", "lab", "service", "call", "fragment",
    scenario = { other_fields = true },
    -- families
    "fault", "expect", "await", "load", "mesh", "policy", "guard", "probe", "notify", "cert",
  },
}
max_line_length = 120
