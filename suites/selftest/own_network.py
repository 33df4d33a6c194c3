"""A network namespace of one's own with loopback up, for what listens on a fixed port; where that is not allowed, one at a time."""
import ctypes, fcntl, os, socket, struct, tempfile

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def enter():
    """For this process and its children. What it returns is to be kept."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        lock = open(os.path.join(tempfile.gettempdir(), f"meshproof-own-network-{os.geteuid()}.lock"), "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    return None
