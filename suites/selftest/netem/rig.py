"""What the cases share: the program, iproute2's view, two namespaces joined by a veth, exact bounds, and the table."""
import ctypes, json, math, os, select, socket, struct, subprocess, sys, time

PROGRAM = os.environ["MESHPROOF"]
MODULES = os.environ["NETEM_MODULES"]
A, B = "10.9.0.1", "10.9.0.2"
A6, B6 = "fd09::1", "fd09::2"
ALPHA = 1e-6  # of one false alarm, on each side of each bound
STALL_NS = 2_000_000  # our loop turns much faster
libc = ctypes.CDLL(None, use_errno=True)


def fail(text):
    print("  WRONG:", text)
    sys.exit(1)


def need(true, text):
    if not true:
        fail(text)


def sh(line, netns=None):
    def run():
        words = line if any(mark in line for mark in ";|>*") else line.split()
        return subprocess.run(words, shell=isinstance(words, str), capture_output=True, text=True)

    done = in_netns(netns, run) if netns else run()
    need(done.returncode == 0, f"{line}: {done.stderr.strip()}")
    return done.stdout


def insmod(*names):
    """In this order, each after what it needs; what is there already is there. None loads by itself here."""
    needs = {}  # modules.dep: a path, and what it needs
    for line in open(f"{MODULES}/../modules.dep"):
        path, after = line.split(":")
        needs[path.rsplit("/", 1)[-1].removesuffix(".ko")] = [path, *after.split()]
    for name in names:
        for path in reversed(needs.get(name, [])):  # none: built in
            if path.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_") not in open("/proc/modules").read().split():
                sh(f"insmod {MODULES}/../{path}")


ALL = ("sch_netem", "sch_prio", "sch_ingress", "cls_flower", "cls_u32", "act_mirred", "ifb", "veth")


def mp(*words, code=0, user=None):
    """Runs `meshproof netem ...`; returns what it said."""
    line = [PROGRAM, "netem", *words]
    if user:
        line = ["setpriv", f"--reuid={user}", "--clear-groups", *line]
    done = subprocess.run(line, capture_output=True, text=True)
    need(done.returncode == code, f"{' '.join(line)}: exit {done.returncode}, not {code}: {done.stdout}{done.stderr}")
    if code:
        need(len(done.stderr.strip().splitlines()) == 1, f"not one sentence: {done.stderr}")
    return (done.stdout + done.stderr).strip()


def qdiscs(netns=None):
    """iproute2's view, without counters."""
    return json.loads(sh("tc -j qdisc show", netns))


def state(netns=None):
    """All that a fault may change: compared before and after."""
    def devices():
        return sorted(line.split(":")[0].strip() for line in open("/proc/thread-self/net/dev") if ":" in line)

    return json.dumps([qdiscs(netns), in_netns(netns, devices) if netns else devices()], sort_keys=True)


def in_netns(name, make):
    """Calls ${make} in that namespace: a socket stays there."""
    ours, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{name}", os.O_RDONLY)
    need(libc.setns(there, 0x40000000) == 0, "setns")
    try:
        return make()
    finally:
        need(libc.setns(ours, 0x40000000) == 0, "setns")
        os.close(ours)
        os.close(there)


def pair():
    """Namespaces a and b, joined: a has va with A, b has vb with B."""
    insmod("ipv6")
    sh("ip netns add a; ip netns add b; ip link add va netns a type veth peer name vb netns b")
    for ns, dev, four, six in (("a", "va", A, A6), ("b", "vb", B, B6)):
        # No offloads (a packet is a packet), no neighbour or router solicitations by the way.
        sh(f"sysctl -qw net.ipv6.conf.{dev}.accept_dad=0 net.ipv6.conf.{dev}.router_solicitations=0", ns)
        sh(f"ip -n {ns} link set lo up; ip -n {ns} addr add {four}/24 dev {dev}; "
           f"ip -n {ns} addr add {six}/64 dev {dev} nodad; ip -n {ns} link set {dev} up")
    for ns, dev, other in (("a", "va", "vb"), ("b", "vb", "va")):
        mac = json.loads(sh(f"ip -n {'b' if ns == 'a' else 'a'} -j link show {other}"))[0]["address"]
        for peer in (B, B6) if ns == "a" else (A, A6):
            sh(f"ip -n {ns} neigh replace {peer} lladdr {mac} dev {dev} nud permanent")


def add(spec, *options, ns="a", dev="va", code=0):
    return mp("add", dev, spec, *options, "--netns", f"/run/netns/{ns}", code=code)


def clear(ns="a", dev="va"):
    return mp("clear", dev, "--netns", f"/run/netns/{ns}")


class Way:
    """Datagrams from one namespace to the other, each with its number and the time when it was sent."""

    def __init__(self, port, source="a", target="b", six=False, checksum=True):
        family = socket.AF_INET6 if six else socket.AF_INET
        self.to = ({"b": B6, "a": A6} if six else {"b": B, "a": A})[target], port
        self.rx = in_netns(target, lambda: socket.socket(family, socket.SOCK_DGRAM))
        self.tx = in_netns(source, lambda: socket.socket(family, socket.SOCK_DGRAM))
        self.rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 64 << 20)
        self.tx.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
        self.rx.setsockopt(socket.IPPROTO_IP, 13, 1) if not six else None  # IP_RECVTOS
        self.rx.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: the kernel's, not when we get to read
        if not checksum:
            self.tx.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        self.rx.bind(("", port))
        self.rx.settimeout(0)
        self.got = []  # (number, sent ns, arrived ns, tos, payload)
        self.stalls, self.seen = [], 0

    def send(self, number, size=64):
        data = struct.pack("=QQ", number, time.time_ns())
        self.tx.sendto(data.ljust(size, b"\0"), self.to)

    def drain(self, until_ns=0, enough=None):
        """Takes what is there; then waits until that time, or until there are enough."""
        while True:
            now = time.time_ns()
            if 0 < self.seen < now - STALL_NS:
                self.stalls.append((self.seen, now + STALL_NS))
            self.seen = now
            try:
                data, extra, _, _ = self.rx.recvmsg(2048, 128)
            except BlockingIOError:
                left = until_ns - time.monotonic_ns()
                if left <= 0 or (enough is not None and len(self.got) >= enough):
                    return
                select.select([self.rx], [], [], min(left / 1e9, 0.0005))
                continue
            (now,) = [s * 10**9 + ns for level, kind, value in extra if (level, kind) == (1, 35) for s, ns in [struct.unpack("=qq", value)]]
            number, sent = struct.unpack("=QQ", data[:16])
            tos = next((value[0] for level, kind, value in extra if (level, kind) == (0, 1)), 0)
            self.got.append((number, sent, now, tos, data[16:]))

    def burst(self, count, size=64, gap_ns=0, wait_s=1.0, enough=None):
        """Sends ${count}, taking what comes meanwhile, then waits for the rest; a new list."""
        self.got, self.stalls, self.seen = [], [], 0
        for i in range(count):
            if gap_ns:
                self.drain(time.monotonic_ns() + gap_ns)
            elif i % 32 == 31:
                self.drain()
            self.send(i, size)
        self.drain(time.monotonic_ns() + int(wait_s * 1e9), enough)
        return self.got

    def calm_ms(self, count, gap_ns=300_000, wait_s=1.0):
        """Delays of as many packets, sorted, without those sent or due while the whole machine stood still (its host
        had other work): these are no evidence, and which they are does not depend on their delay."""
        calm = []
        for _ in range(8):
            for _, sent, arrived, _, _ in self.burst(count - len(calm), gap_ns=gap_ns, wait_s=wait_s, enough=count - len(calm)):
                if not any(a <= sent <= b or a <= arrived <= b for a, b in self.stalls):
                    calm.append((arrived - sent) / 1e6)
            if len(calm) >= count:
                break
        need(len(calm) >= count / 2, f"this machine stood still too often: {len(calm)} of {count} packets in calm")
        return sorted(calm)

    def close(self):
        self.rx.close()
        self.tx.close()


def delays_ms(got):
    return sorted((arrived - sent) / 1e6 for _, sent, arrived, _, _ in got)


def log_binom(n, k, p):
    if p in (0.0, 1.0):
        return 0.0 if k == n * p else -math.inf
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p))


def bounds(n, p):
    """The counts that Bin(n, p) leaves with probability below ALPHA on each side: the exact tails, summed."""
    total, low = 0.0, 0
    while low < n and total + math.exp(log_binom(n, low, p)) < ALPHA:
        total += math.exp(log_binom(n, low, p))
        low += 1
    total, high = 0.0, n
    while high > 0 and total + math.exp(log_binom(n, high, p)) < ALPHA:
        total += math.exp(log_binom(n, high, p))
        high -= 1
    return low, high


def row(what, asked, measured, allowed, ok):
    print(f"  {'ok ' if ok else 'WRONG'}  {what:<26} {asked:>22} {measured:>26}   {allowed}")
    sys.stdout.flush()
    if not ok:
        row.wrong += 1


row.wrong = 0


def share(what, asked, k, n):
    low, high = bounds(n, asked)
    row(what, f"{asked:.3%}", f"{k}/{n} = {k / n:.3%}", f"{low}..{high} (exact, 1e-6 a side)", low <= k <= high)


def title(text):
    print(f"{text}\n         {'what':<26} {'asked':>22} {'measured':>26}   allowed")


def done():
    sys.exit(1 if row.wrong else 0)
