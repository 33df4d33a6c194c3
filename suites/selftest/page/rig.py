"""A real `meshproof run --listen`, its page in a browser, and what other clients ask of it. Shared by the files of this folder."""
import http.client, json, os, re, signal, sqlite3, subprocess, sys, threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "suites", "selftest", "browser"))
from browser import Wrong  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("MESHPROOF", os.path.join(ROOT, "build", "meshproof")))
POLICY = os.path.join(ROOT, "suites", "selftest", "k8s")
SHOTS = os.path.abspath(os.environ.get("PAGE_SHOTS", os.path.join(ROOT, "build", "shots")))
WAIT_S = 60
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;\"'"


def need(truth, what):
    if not truth:
        raise Wrong(what)


def lua(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


STORM = ('fault.abort { on = "payments/2", status = 503, share = "60%" }, fault.latency { on = "payments/1", add = "80ms" },\n'
         '    fault.abort { on = "payments/3", status = 503, share = "20%" },')
GUARD = 'guard.stop { probe = probe.client { on = edge, value = "errors", every = "500ms" }, above = "90%", over = "1s" }'


def suite(folder, phases, name="checkout pays", guard=GUARD, service="payments"):
    path = os.path.join(folder, "page.lua")
    with open(path, "w") as f:
        f.write('local edge = "client -> %s"\nreturn scenario %s {\n  mesh = mesh.istio { policy = %s, version = "1.31" },\n'
                '  lab = lab { service "%s" { endpoints = 3, work = "1ms" } },\n'
                '  load = load.open { on = edge, rate = "100/s", warmup = "200ms" }, settle = "0ms",\n'
                '  guard = { %s },\n%s}\n' % (service, lua(name), lua(POLICY), service, guard, phases))
    return path


def phase(name, seconds, what=""):
    return '  phase %s { lasting = "%ds", %s },\n' % (lua(name), seconds, what)


def good(share):
    return ' expect.success { on = edge, atleast = "%s" },' % share


class Run:
    """One `meshproof run --listen`, and its page's address."""

    def __init__(self, folder, path, *more, env=None, journal=True):
        self.journal = os.path.join(folder, "run.db")
        self.process = subprocess.Popen([PROGRAM, "run", path, *(["-o", self.journal] if journal else []), "--seed", "1", "--listen", "127.0.0.1:0", *more], cwd=folder,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, CI="1", **(env or {})))
        self.told, self.address, self.url, self.out = [], threading.Event(), None, None
        self.readers = [threading.Thread(target=self.read_told), threading.Thread(target=self.read_out)]
        for reader in self.readers:
            reader.start()
        need(self.address.wait(WAIT_S) and self.url, "no address was printed:\n" + "".join(self.told))
        self.origin = self.url.split("/?")[0]
        self.port = int(self.origin.rsplit(":", 1)[1])

    def read_told(self):
        for line in self.process.stderr:
            self.told.append(line)
            found = re.search(r"http://\S+", line)
            if found and self.url is None:
                self.url = found.group()
                self.address.set()
        self.address.set()

    def read_out(self):
        self.out = self.process.stdout.read()

    def open(self, browser, width=1400, scheme="dark", height=1000, **how):
        page = browser.page(width, height, scheme, **how)
        page.open(self.url)
        page.wait("location.search === '' && document.readyState === 'complete'", "the page itself", 10)
        return page

    def exits(self, code):
        try:
            got = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise Wrong("the run does not end:\n" + "".join(self.told)) from None
        for reader in self.readers:
            reader.join()
        need(got == code, "exit %d, not %d\n%s\n%s" % (got, code, self.out, "".join(self.told)))

    def rows(self, sql):
        with sqlite3.connect("file:%s?mode=ro" % self.journal, uri=True) as db:
            return db.execute(sql).fetchall()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for reader in self.readers:
            reader.join()


def text(page, selector):
    return page.eval("document.querySelector(%s).textContent" % json.dumps(selector))


def until(page, script, what, within):
    try:
        page.wait(script, what, within)
    except Wrong as e:
        raise Wrong("%s; the page says: %s, %s %s" % (e, text(page, "#state"), text(page, "#over-h"), text(page, "#next"))) from None


def in_state(page, state, within=20):
    until(page, "document.documentElement.dataset.state === %s" % json.dumps(state), "state " + state, within)


def with_faults(page, count, within=30):
    until(page, "document.getElementById('fault-n').textContent === '%d'" % count, "%d faults in force" % count, within)


def asked(run, method, path, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=10)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    got = answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")
    connection.close()
    return got


def cookie_of(run):
    status, headers, _ = asked(run, "GET", run.url[len(run.origin):])
    need(status == 200 and "HttpOnly; SameSite=Strict" in headers.get("set-cookie", ""), "the way in: %d %s" % (status, headers))
    return headers["set-cookie"].split(";")[0]


def forgery_of(run, cookie):
    status, headers, page = asked(run, "GET", "/", {"Cookie": cookie})
    need(status == 200, "the page: %d" % status)
    return re.search(r'name="forgery" value="([0-9a-f]{32})"', page).group(1), headers
