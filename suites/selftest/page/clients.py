"""What strangers and hostile programs send: no browser is needed."""
import json, os, re, socket, struct, subprocess, threading, time

from rig import PROGRAM, STORM, Run, asked, cookie_of, forgery_of, need, phase, suite


def strangers(_, folder):
    """Who has no token, another site's page and a rebound name get nothing; no secret is in the journal; --listen beyond loopback wants a token."""
    path = suite(folder, phase("storm", 20, STORM) + phase("after", 1), guard="")
    run = Run(folder, path)
    try:
        cookie = cookie_of(run)
        forgery, headers = forgery_of(run, cookie)
        policy = headers["content-security-policy"]
        need(re.fullmatch(r"default-src 'none'; style-src 'sha256-\S{44}'; script-src 'sha256-\S{44}'; connect-src 'self'; form-action 'self'; "
                          r"frame-ancestors 'none'; base-uri 'none'", policy), policy)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for what, status, got in (
                ("without a cookie", 401, asked(run, "GET", "/")),
                ("a wrong token", 401, asked(run, "GET", "/?token=" + "0" * 32)),
                ("events without a cookie", 401, asked(run, "GET", "/events")),
                ("abort without a cookie", 401, asked(run, "POST", "/abort", form, "forgery=" + forgery)),
                ("abort without the page's token", 403, asked(run, "POST", "/abort", dict(form, Cookie=cookie), "")),
                ("another origin", 403, asked(run, "POST", "/abort", dict(form, Cookie=cookie, Origin="http://evil.example"), "forgery=" + forgery)),
                ("a rebound name", 403, asked(run, "GET", "/", {"Cookie": cookie, "Host": "evil.example:%d" % run.port})),
                ("another method", 405, asked(run, "GET", "/abort", {"Cookie": cookie})),
                ("another page", 404, asked(run, "GET", "/favicon.ico", {"Cookie": cookie})),
                ("a long form", 413, asked(run, "POST", "/abort", dict(form, Cookie=cookie), "forgery=" + "a" * 5000))):
            need(got[0] == status, "%s: %d, not %d" % (what, got[0], status))
        need(run.process.poll() is None, "the run has ended")
        taken = subprocess.run([PROGRAM, "run", path, "-o", os.path.join(folder, "t.db"), "--listen", "127.0.0.1:%d" % run.port], capture_output=True, text=True, cwd=folder)
        need(taken.returncode == 4 and "--listen" in taken.stderr and "in use" in taken.stderr and not os.path.exists(os.path.join(folder, "t.db")),
             "a port in use: %d %s" % (taken.returncode, taken.stderr))
        token = run.url.split("token=")[1]
        status, _, said = asked(run, "POST", "/abort", {"Authorization": "Bearer " + token, "Accept": "application/json"})
        need(status == 200 and json.loads(said) == {"ok": True}, "a program's abort: %d %s" % (status, said))
        run.exits(3)
        with open(run.journal, "rb") as f:
            data = f.read()
        for secret in (token, cookie.split("=")[1], forgery):
            need(secret.encode() not in data, "a secret is in the journal")
        need("".join(run.told).count(token) == 1, "the token was not printed once")
    finally:
        run.end()
    for args, said in ((["--listen", "0.0.0.0:0"], "beyond loopback, which needs a token: --token-env NAME"),
                       (["--listen", "0.0.0.0:0", "--token-env", "SHORT"], "has 5 bytes; it must have 16 to 200"),
                       (["--listen", "127.0.0.1:0", "--token-env", "ABSENT_HERE"], "the environment has no ABSENT_HERE"),
                       (["--token-env", "SHORT"], "--token-env is for the page of --listen"),
                       (["--listen", "localhost"], "--listen ")):
        got = subprocess.run([PROGRAM, "run", path, "-o", os.path.join(folder, "x.db"), *args], capture_output=True, text=True, env=dict(os.environ, SHORT="short"))
        need(got.returncode == 64 and said in got.stderr, "%s: %d %s" % (args, got.returncode, got.stderr))
    run = Run(folder, suite(folder, phase("calm", 3), guard=""), "--listen", "0.0.0.0:0", "--token-env", "PAGE_TOKEN", "-o", os.path.join(folder, "far.db"),
              env={"PAGE_TOKEN": "a token of our own"})
    try:
        need("token=$PAGE_TOKEN" in run.url and "of our own" not in "".join(run.told), run.url)
        need(asked(run, "GET", "/?token=a+token+of+our+own", {"Host": "meshproof.shop:%d" % run.port})[0] == 200, "a token of the environment")
    finally:
        run.end()


class Flood:
    """Clients that do what no browser should, until they are let go."""

    def __init__(self, run, cookie):
        self.run, self.cookie, self.over, self.sockets = run, cookie, threading.Event(), []
        self.ask = ("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: %s\r\n\r\n" % cookie).encode()
        for _ in range(6):  # watch, and never read
            self.sockets.append(self.connect(4096))
            self.sockets[-1].sendall(self.ask)
        for _ in range(4):  # begin a request, and never end it
            self.sockets.append(self.connect())
            self.sockets[-1].sendall(b"POST /abort HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4000\r\n\r\nforg")
        self.threads = [threading.Thread(target=self.vanish), threading.Thread(target=self.garbage)]
        for thread in self.threads:
            thread.start()

    def connect(self, room=None):
        s = socket.socket()
        if room:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        s.settimeout(10)
        s.connect(("127.0.0.1", self.run.port))
        return s

    def vanish(self):
        """Watch, read the first bytes, and reset."""
        while not self.over.wait(.02):
            try:
                s = self.connect()
                s.sendall(self.ask)
                s.recv(100)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
            except OSError:
                pass

    def garbage(self):
        lines = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50, b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 70000, b"\r\n" * 3000,
                 b"GET /events HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" * 40, b"POST /abort HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
        at = 0
        while not self.over.wait(.02):
            try:
                s = self.connect()
                s.sendall(lines[at % len(lines)])
                s.close()
            except OSError:
                pass
            at += 1

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        for s in self.sockets:
            s.close()


def slow(_, folder):
    """Slow, vanished and senseless clients: a browser beside them still gets a snapshot a second, and the conductor's loop does not stall for them."""
    run = Run(folder, suite(folder, phase("calm", 14) + phase("after", 1), guard=""))
    flood = None
    try:
        cookie = cookie_of(run)
        flood = Flood(run, cookie)
        good = flood.connect()
        good.sendall(flood.ask)
        stamps, rest, end = [], b"", time.monotonic() + 11
        while time.monotonic() < end:
            chunk = good.recv(65536)
            if not chunk:
                break
            rest += chunk
            for line in rest.split(b"\n")[:-1]:
                if line.startswith(b"data: "):
                    need(len(line) <= 8192 + 6, "a snapshot of %d bytes" % len(line))
                    stamps.append((time.monotonic(), json.loads(line[6:])))
            rest = rest.rsplit(b"\n", 1)[-1]
        need(len(stamps) >= 7, "%d snapshots in 11 s" % len(stamps))
        flood.end()
        good.close()
        run.exits(0)
        # Of a turn that was long: what was not time in the run queue of a busy machine is ours.
        count, ours = run.rows("SELECT count(*), coalesce(max(turn - min(turn, run_delay)), 0) FROM stall WHERE proc = 1")[0]
        print("      %d stalls of the conductor; the longest turn of its own, %.1f ms" % (count, ours / 1e6))
        need(ours < 250e6, "the conductor's loop was held up for %.0f ms" % (ours / 1e6))
    finally:
        if flood is not None:
            flood.over.set()
        run.end()
