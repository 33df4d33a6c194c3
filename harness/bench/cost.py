"""What processes cost, by /proc: CPU, waiting for a core, memory."""
import glob, os

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def family(pid):
    """${pid} and all that it started."""
    found = [pid]
    for each in found:
        for path in glob.glob(f"/proc/{each}/task/*/children"):
            try:
                found += [int(child) for child in open(path).read().split()]
            except OSError:
                pass
    return found


def cpu_us(pids):
    """User and system time, all threads, in microseconds; a tick is 10 000."""
    total = 0
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) * TICK_US
    return total


def run_delay_ns(pids):
    """How long their threads were ready to run and had no core."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                total += int(open(path).read().split()[1])
            except (OSError, IndexError):
                pass
    return total


def ours_us():
    """CPU of this program and of all that it started, those that have ended too."""
    times = os.times()
    return cpu_us(family(os.getpid())) + (times.children_user + times.children_system) * 1e6


def machine_us():
    """(user, system and stolen time of all cores, all time of all cores) since boot. Interrupts are left out: those of
    loopback traffic are our own."""
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (fields[0] + fields[1] + fields[2] + fields[7]) * TICK_US, sum(fields) * TICK_US


def own_memory_kib(pid):
    """Resident memory that no file backs."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0
