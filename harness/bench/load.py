"""The load generators, and one measured run of a lane."""
import dataclasses, json, re, subprocess, threading, time
import cost
from place import Missing, tool


@dataclasses.dataclass
class Sample:
    count: int            # answers
    rate: float           # a second
    cpu_us: float = 0     # of the proxy, an answer
    scribe_us: float = 0  # of who writes our journal, an answer
    run_delay: float = 0  # of the load generator and the proxy, of wall
    foreign: float = 0    # CPU that nobody of the bench used, of all cores
    errors: int = 0       # answers other than 2xx
    lost: int = 0         # no answer


class Watch(threading.Thread):
    """The waiting time of a process that ends by itself, as last seen."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.delay_ns, self.ended = pid, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.05):
            self.delay_ns = max(self.delay_ns, cost.run_delay_ns([self.pid]))


def finish(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watch = Watch(process.pid)
    out, _ = process.communicate()
    watch.ended.set()
    watch.join()
    return out, watch.delay_ns


def wrk(lane, seconds, connections, path="/1k", scheme="http", headers=()):
    command = [tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    for header in headers:
        command += ["-H", header]
    out, delay = finish(command + [f"{scheme}://127.0.0.1:{lane.port}{path}"])
    count, rate = re.search(r"(\d+) requests in", out), re.search(r"Requests/sec:\s+([\d.]+)", out)
    if not count or not rate:
        raise Missing(f"wrk: {out.strip()[-200:]}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    return Sample(int(count.group(1)), float(rate.group(1)), errors=int(bad.group(1)) if bad else 0,
                  lost=sum(map(int, lost.groups())) if lost else 0), delay


def h2load(lane, seconds, connections, streams, path="/1k", data=None, headers=()):
    command = [tool("h2load"), "-t1", f"-c{connections}", f"-m{streams}", "-D", str(seconds)]
    for header in headers:
        command += ["-H", header]
    if data:
        command += ["-d", data]
    out, delay = finish(command + [f"http://127.0.0.1:{lane.port}{path}"])
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", out)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if not rate or not counts or not codes:
        raise Missing(f"h2load: {out.strip()[-200:]}")
    _, failed, errored, timeout = map(int, counts.groups())
    good, *other = map(int, codes.groups())
    return Sample(good + sum(other), float(rate.group(1)), errors=sum(other), lost=failed + errored + timeout), delay


def holds(lane, seconds, program, connections, per_second, hold_ms):
    """An open loop: (what the client says, Sample, delay)."""
    command = [program, str(lane.port), str(connections), str(per_second), str(hold_ms * 1000), str(seconds)]
    out, delay = finish(command)
    try:
        told = json.loads(out)
    except ValueError:
        raise Missing(f"holds: {out.strip()[-200:]}") from None
    return told, Sample(told["answered"], told["answered"] / seconds, lost=told["broken"]), delay


def measure(lane, run):
    """${run}: () -> (..., Sample, the generator's delay in ns). Returns (what comes before the Sample or None, Sample)."""
    pids, scribes = lane.pids(), lane.scribes()
    delay, cpu, scribe = cost.run_delay_ns(pids), cost.cpu_us(pids), cost.cpu_us(scribes)
    began, (busy, whole), ours = time.monotonic(), cost.machine_us(), cost.ours_us()
    *told, sample, generator_delay = run()
    wall, (busy_after, whole_after), ours_after = time.monotonic() - began, cost.machine_us(), cost.ours_us()
    if sample.count == 0:
        raise Missing(f"{lane.name} answered nothing")
    used = cost.cpu_us(pids) - cpu
    sample.cpu_us = used / sample.count if used >= 10 * cost.TICK_US else 0  # below that it would be the tick's rounding
    sample.scribe_us = (cost.cpu_us(scribes) - scribe) / sample.count
    sample.run_delay = (cost.run_delay_ns(pids) - delay + generator_delay) / (wall * 1e9)
    strangers = (busy_after - busy) - (ours_after - ours)
    sample.foreign = max(0.0, strangers / max(1.0, whole_after - whole))
    return (told[0] if told else None), sample
