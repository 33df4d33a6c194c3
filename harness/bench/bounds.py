"""The goals of spec/engine.md section 9."""

CPU = "CPU per request"
# Ratios within one run, ours by theirs: (stage, figure, against, bound, note). "at least": a floor.
GOALS = [
    ("relay", CPU, "haproxy http", 0.90, "aim 0.80"),
    ("relay", CPU, "toxiproxy", 0.65, ""),
    ("relay", CPU, "Envoy", 0.40, ""),
    ("relay", "throughput", "haproxy http", 1.0, "at least"),
    ("bodies 256k", CPU, "haproxy http", 0.60, "spliced; 0.80 copying"),
    ("abort", CPU, "haproxy http", 0.90, ""),
    ("hook", CPU, "haproxy Lua", 0.75, ""),
    ("hook", CPU, "Envoy Lua", 0.25, ""),
    ("tls", CPU, "haproxy http", 1.0, ""),
    ("h2", CPU, "haproxy http", 1.2, ""),
    ("holds 1", "client p50", "toxiproxy", 0.5, ""),
    ("holds 1", "client p50", "Envoy", 0.15, ""),
    ("holds 1000", "client p50", "toxiproxy", 0.5, ""),
    ("holds 1000", "client p50", "Envoy", 0.15, ""),
    ("holds 9000", "client p50", "toxiproxy", 0.5, ""),
    ("holds 9000", "client p50", "Envoy", 0.15, ""),
]
# Figures of ours alone: (stage, figure, at most, unit, whether noise changes it).
LIMITS = [
    ("holds 1", "released early", 0, "", False),
    ("holds 1000", "released early", 0, "", False),
    ("holds 9000", "released early", 0, "", False),
    ("holds 1000", "late p50", 60, "us", True),
    ("holds 1000", "late p90 outside stalls", 100, "us", True),
    ("holds 9000", "late p50", 60, "us", True),
    ("holds 9000", "late p90 outside stalls", 100, "us", True),
    ("memory", "KiB a connection", 2.0, "KiB", False),
    ("soak", "KiB grown", 64, "KiB", False),  # 0, but for 16 pages of the allocator's rounding
    ("syscalls", "I/O a request", 4.1, "", False),
    ("syscalls", "others a request", 0.2, "", False),
    ("syscalls", "epoll_ctl beyond the connections' own", 0, "", False),
]
QUIET = 0.05  # what others may use of the machine, and the direct line wait: see Table.quiet
