"""The place of one bench: a folder, free ports, and processes that end with it."""
import os, shutil, signal, socket, subprocess, tempfile, time


class Missing(Exception):
    """A lane cannot run here; the text says why. The bench goes on without it, and says so."""


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Missing(f"{name} is not installed")
    return found


class Place:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="meshproof-bench-")
        os.chmod(self.folder, 0o755)  # nginx's worker is nobody
        self.started = []

    def port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb" if isinstance(content, bytes) else "w") as f:
            f.write(content)
        return self.path(name)

    def start(self, name, command, port=None, environment=None):
        """Starts it, and waits until somebody listens on ${port}."""
        log = open(self.path(name.replace(" ", "-") + ".log"), "wb")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=dict(os.environ, **(environment or {})))
        log.close()
        process.log = log.name
        self.started.append(process)
        if port:
            self.await_port(process, port)
        return process

    def await_port(self, process, port, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        with open(process.log, errors="replace") as f:
            last = " ".join(f.read().strip().splitlines()[-2:])[-300:]
        self.stop(process)
        raise Missing(f"{os.path.basename(process.args[0])} does not listen: {last or 'it said nothing'}")

    def stop(self, process):
        """SIGTERM, and SIGKILL when it has not gone after 20 s."""
        if process in self.started:
            self.started.remove(process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        for process in list(self.started):
            process.poll() is None and process.send_signal(signal.SIGTERM)
        for process in list(self.started):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)
