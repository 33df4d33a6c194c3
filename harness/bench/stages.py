"""The stages: which lanes, which load, which figures."""
import bisect, collections, re, resource, signal, socket, sqlite3, subprocess, threading, time
import cost, load
from backend import GRPC_PATH
from place import Missing, tool

HEADERS = ("x-one: a", "x-two: b")
# connections, requests a second, held so long: 50 ms at once for one; for many the hold is longer, or the rate that
# keeps them all held (200 000 a second at 10 000) would measure the relay and not its timers. 9 000: a hard limit of
# 20 000 descriptors holds two for each.
HOLDS = ((1, 15, 50), (1000, 2000, 500), (9000, 4500, 2000))
IO_CALLS = {"sendto", "sendmsg", "recvfrom", "recvmsg", "read", "write", "readv", "writev", "splice", "sendfile"}
RELAYS = ("meshproof", "haproxy", "haproxy tcp", "nginx", "envoy", "toxiproxy")


class Stages:
    def __init__(self, place, backend, peers, table, options, say):
        self.place, self.backend, self.peers, self.table, self.options, self.say = place, backend, peers, table, options, say

    def open(self, stage, names, job, to, **more):
        lanes = []
        for name in names:
            peer, _, kind = name.partition(" ")
            try:
                mine = dict(more) if peer in ("meshproof", "envoy", "toxiproxy") else {}
                if kind == "off":
                    mine.update(records=False, name="meshproof, no records")
                if kind == "Lua":
                    mine["name"] = {"haproxy": "haproxy Lua", "envoy": "Envoy Lua"}[peer]
                if kind == "tcp":
                    mine["name"] = "haproxy tcp"
                if kind == "1":
                    mine.update(cores=1, name="toxiproxy, 1 core")
                lanes.append(self.peers.start(peer, kind if kind == "tcp" else job, to, **mine))
            except Missing as why:
                self.table.missing.append((stage, name, str(why)))
                self.say(f"  {stage}: without {name}: {why}")
        return lanes

    def close(self, lanes):
        for lane in lanes:
            self.peers.stop(lane)

    def rounds(self, stage, names, job, to, run):
        """Alternately: each round begins with another lane."""
        lanes = self.open(stage, names, job, to)
        for number in range(self.options.rounds):
            turn = number % max(1, len(lanes))
            for lane in lanes[turn:] + lanes[:turn]:
                try:
                    if number == 0:
                        run(lane, 1)  # warms it: pools, caches, the first page faults
                    self.table.add(stage, lane.name, load.measure(lane, lambda: run(lane, self.options.seconds))[1])
                except Missing as why:
                    self.table.missing.append((stage, lane.name, str(why)))
                    self.say(f"  {stage}: {lane.name}: {why}")
        self.close(lanes)

    def relay(self):
        self.rounds("relay", ("direct", "meshproof", "meshproof off") + RELAYS[1:] + ("toxiproxy 1",), "http", self.backend.plain,
                    lambda lane, seconds: load.wrk(lane, seconds, 32))

    def bodies(self):
        for size in ("64k", "256k"):
            self.rounds(f"bodies {size}", ("direct",) + RELAYS, "http", self.backend.plain,
                        lambda lane, seconds: load.wrk(lane, seconds, 32, "/" + size))

    def connections(self):
        for count in (1, 1000):
            self.rounds(f"connections {count}", ("direct",) + RELAYS, "http", self.backend.plain,
                        lambda lane, seconds: load.wrk(lane, seconds, count))

    def abort(self):
        self.rounds("abort", ("direct", "meshproof", "haproxy", "envoy"), "abort", self.backend.plain,
                    lambda lane, seconds: load.wrk(lane, seconds, 32))

    def hook(self):
        self.rounds("hook", ("direct", "meshproof", "haproxy Lua", "envoy Lua"), "hook", self.backend.plain,
                    lambda lane, seconds: load.wrk(lane, seconds, 32, headers=HEADERS))

    def tls(self):
        lanes = ("direct", "meshproof", "haproxy", "nginx", "envoy")
        self.rounds("tls", lanes, "tls", self.backend.tls, lambda lane, seconds: load.wrk(lane, seconds, 32, scheme="https"))

    def h2(self):
        lanes = ("direct", "meshproof", "haproxy", "envoy", "toxiproxy")
        self.rounds("h2", lanes, "h2", self.backend.h2, lambda lane, seconds: load.h2load(lane, seconds, 8, 4))

    def grpc(self):
        """h2load posts a gRPC message; nghttpd answers one, with grpc-status in the trailers: no gRPC library in it."""
        lanes = ("direct", "meshproof", "haproxy", "nginx", "envoy", "toxiproxy")
        self.rounds("grpc", lanes, "grpc", self.backend.start_grpc(), lambda lane, seconds: load.h2load(
            lane, seconds, 8, 4, GRPC_PATH, self.backend.ask, ("content-type: application/grpc", "te: trailers")))

    def holds(self):
        for count, per_second, hold_ms in HOLDS:
            stage = f"holds {count}"
            if count * 2 + 100 > resource.getrlimit(resource.RLIMIT_NOFILE)[1]:
                self.table.missing.append((stage, "all", "too few file descriptors"))
                self.say(f"  {stage}: skipped: needs {count * 2 + 100} file descriptors, the hard limit is "
                         f"{resource.getrlimit(resource.RLIMIT_NOFILE)[1]}")
                continue
            self.one_hold(stage, count, per_second, hold_ms)

    def one_hold(self, stage, count, per_second, hold_ms):
        seconds = max(self.options.seconds, 1 if self.options.quick and count == 1 else 3 * hold_ms // 1000)
        lanes = self.open(stage, ("meshproof", "envoy", "toxiproxy"), "hold", self.backend.plain, hold_ms=hold_ms)
        for number in range(self.options.rounds):
            for lane in lanes[number % len(lanes):] + lanes[:number % len(lanes)]:
                try:
                    told, sample = load.measure(lane, lambda: load.holds(
                        lane, seconds, self.options.holds, max(count, 2), per_second, hold_ms))
                except Missing as why:
                    self.table.missing.append((stage, lane.name, str(why)))
                    self.say(f"  {stage}: {lane.name}: {why}")
                    continue
                self.table.add(stage, lane.name, sample)
                for figure in ("p10", "p50", "p90", "p99", "early", "skipped"):
                    self.table.add_figure(stage, lane.name, "client " + figure, told[figure])
        self.close(lanes)
        for lane in lanes:
            if lane.journal:
                self.lateness(stage, lane, hold_ms)

    def lateness(self, stage, lane, hold_ms):
        """From the journal: how late our holds ended, inside the proxy. Stalls are the moments when its loop did not run
        (engine.md section 5)."""
        with sqlite3.connect(lane.journal) as journal:
            late = journal.execute("SELECT at + upstream, late FROM attempt WHERE late > 0").fetchall()
            stalls = journal.execute("SELECT at, fired, turn FROM stall").fetchall()
            early = journal.execute("SELECT count(*) FROM attempt WHERE late > 0 AND upstream < ?",
                                    (hold_ms * 1000000,)).fetchone()[0]
        spans = merged((at - turn - 1000000, at + fired + 1000000) for at, fired, turn in stalls)
        outside = [ns for at, ns in late if not within(spans, at)]
        for name, values in (("late", [ns for _, ns in late]), ("outside", outside)):
            values.sort()
            for share in (10, 50, 90, 99) if values else ():
                figure = f"late p{share}" + (" outside stalls" if name == "outside" else "")
                self.table.add_figure(stage, lane.name, figure, values[(len(values) - 1) * share // 100] / 1000)
        self.table.add_figure(stage, lane.name, "released early", early)
        self.table.add_figure(stage, lane.name, "holds", len(late))
        self.table.add_figure(stage, lane.name, "of them in stalls", len(late) - len(outside))

    def memory(self):
        count = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500)
        for lane in self.open("memory", ("meshproof", "haproxy", "nginx", "envoy", "toxiproxy"), "http", self.backend.plain):
            load.wrk(lane, 1, 32)
            before, open_lines = sum(map(cost.own_memory_kib, lane.pids())), []
            try:
                while len(open_lines) < count:
                    open_lines.append(idle_line(lane.port))
            except OSError as why:  # its own limit: what it took is what is measured
                self.say(f"  memory: {lane.name} took {len(open_lines)} connections: {why}")
            grown = sum(map(cost.own_memory_kib, lane.pids())) - before
            self.table.add_figure("memory", lane.name, "KiB a connection", round(grown / max(1, len(open_lines)), 3))
            self.table.add_figure("memory", lane.name, "connections", len(open_lines))
            for line in open_lines:
                line.close()
            self.close([lane])

    def soak(self):
        """Traffic, and connections that come and go; the memory at the end against that after the first fifth."""
        seconds = 30 if self.options.quick else 600
        for lane in self.open("soak", ("meshproof",), "http", self.backend.plain):
            seen, told = [], []
            worker = threading.Thread(target=lambda: told.append(load.wrk(lane, seconds, 32)[0]))
            worker.start()
            while worker.is_alive():
                for _ in range(20):
                    idle_line(lane.port).close()
                seen.append(sum(map(cost.own_memory_kib, lane.pids())))
                time.sleep(min(1, seconds / 30))
            fifth = max(1, len(seen) // 5)
            self.table.add_figure("soak", lane.name, "KiB grown", min(seen[-fifth:]) - max(seen[fifth:2 * fifth]))
            self.table.add_figure("soak", lane.name, "KiB at the end", seen[-1])
            self.table.add_figure("soak", lane.name, "answers", told[0].count if told else 0)
            self.close([lane])

    def syscalls(self):
        """By strace, which slows everything: only the counts are of use."""
        for lane in self.open("syscalls", RELAYS, "http", self.backend.plain):
            load.wrk(lane, 1, 32)
            command = [tool("strace"), "-c", "-f"]
            for pid in lane.pids():
                command += ["-p", str(pid)]
            trace = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(1)
            sample = load.wrk(lane, 2, 32)[0]
            trace.send_signal(signal.SIGINT)
            counts = collections.Counter()
            for line in trace.communicate()[1].splitlines():
                row = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
                if row and row.group(2) != "total":
                    counts[row.group(2)] += int(row.group(1))
            io = sum(n for name, n in counts.items() if name in IO_CALLS)
            for figure, number in (("I/O", io), ("others", sum(counts.values()) - io)):
                self.table.add_figure("syscalls", lane.name, figure + " a request", round(number / sample.count, 4))
            # Two for each connection, on each side: they come and go within this.
            extra = max(0, counts["epoll_ctl"] - 2 * 2 * 33)
            self.table.add_figure("syscalls", lane.name, "epoll_ctl beyond the connections' own", extra)
            self.close([lane])


def idle_line(port):
    """A kept-alive connection that has had one answer."""
    line = socket.create_connection(("127.0.0.1", port), 3)
    line.sendall(b"GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n")
    left = 1024
    seen = b""
    while b"\r\n\r\n" not in seen or len(seen.split(b"\r\n\r\n", 1)[1]) < left:
        more = line.recv(4096)
        if not more:
            raise OSError("closed instead of an answer")
        seen += more
    return line


def merged(spans):
    """Sorted, and those that touch as one."""
    out = []
    for low, high in sorted(spans):
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return out


def within(spans, moment):
    i = bisect.bisect_right(spans, (moment, float("inf"))) - 1
    return i >= 0 and moment <= spans[i][1]
