"""A headless Chromium, driven over the DevTools protocol on a pipe: no port, no socket, nothing but Python's own library.

    with Browser() as browser:
        page = browser.page(1400, 900, "dark")
        page.open("file:///tmp/report.html")
        page.need_quiet(origin="file://")        # nothing on the console, no request elsewhere
        for finding in page.axe(): print(finding)  # axe-core, pinned in harness/cmake/pins.txt

`Missing` is raised where Chromium or npm cannot be had: a test then ends with 77 and its text. `Wrong`: the page is not as it must be."""
import base64, fcntl, hashlib, json, os, queue, shutil, subprocess, tarfile, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
DEPS = os.path.abspath(os.environ.get("MESHPROOF_DEPS", os.path.join(ROOT, "build", "deps")))
WAIT_S = 60
# The page alone may use the network: the browser's own services are switched off, and no name but these resolves.
SWITCHES = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps",
            "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--hide-scrollbars", "--force-color-profile=srgb",
            "--password-store=basic", "--use-mock-keychain", "--mute-audio", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]


class Missing(Exception):
    pass


class Wrong(Exception):
    pass


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    raise Missing("Chromium is not installed (Debian package chromium)")


def pin(package):
    for line in open(os.path.join(ROOT, "harness", "cmake", "pins.txt")):
        words = line.split()
        if len(words) == 6 and words[:2] == ["npm", package]:
            return words[2], words[3], words[5]
    raise Wrong("pins.txt has no " + package)


def axe_source():
    """axe-core's text: fetched by npm once into the build folder, refused if its bytes are not the pinned ones."""
    version, file, sha256 = pin("axe-core")
    folder = os.path.join(DEPS, "fetched")
    path = os.path.join(folder, file)

    def whole():
        return os.path.exists(path) and hashlib.sha256(open(path, "rb").read()).hexdigest() == sha256

    if not whole():
        if shutil.which("npm") is None:
            raise Missing("npm is not installed, and axe-core is its package")
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:  # two tests at once may fetch
            done = subprocess.run(["npm", "pack", "--silent", "axe-core@" + version], cwd=work, capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                raise Missing("axe-core could not be fetched: " + (done.stderr.strip().splitlines() or ["npm said nothing"])[-1][:200])
            os.replace(os.path.join(work, file), path)
        if not whole():
            raise Wrong(file + " has other bytes than its pin says")
    with tarfile.open(path) as tar:
        return tar.extractfile("package/axe.min.js").read().decode()


class Browser:
    def __enter__(self):
        program = chromium()
        self.home = tempfile.TemporaryDirectory(prefix="meshproof-browser-", ignore_cleanup_errors=True)
        # Chromium reads orders from descriptor 3 and writes answers to 4; the pipes' own numbers must not be those.
        ours_in, to_child = os.pipe()
        from_child, ours_out = os.pipe()
        pipes = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (ours_in, to_child, from_child, ours_out)]
        for fd in (ours_in, to_child, from_child, ours_out):
            os.close(fd)

        def take_pipes():
            os.dup2(pipes[0], 3)
            os.dup2(pipes[3], 4)

        args = [program] + SWITCHES + (["--no-sandbox"] if os.getuid() == 0 else []) + ["--user-data-dir=" + self.home.name, "about:blank"]
        self.errors = open(os.path.join(self.home.name, "stderr"), "w+")
        self.process = subprocess.Popen(args, preexec_fn=take_pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
                                        start_new_session=True, env=dict(os.environ, HOME=self.home.name))
        os.close(pipes[0])
        os.close(pipes[3])
        self.to, self.lock, self.last = os.fdopen(pipes[1], "wb", 0), threading.Lock(), 0
        self.answers, self.pages = {}, {}
        threading.Thread(target=self.read, args=(os.fdopen(pipes[2], "rb", 0),), daemon=True).start()
        try:
            self.call("Browser.getVersion")
        except Wrong as e:
            self.errors.seek(0)
            said = self.errors.read()[-400:]
            self.__exit__()
            raise Missing("Chromium does not start here: %s: %s" % (e, said)) from None
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close", within=5)
        except Wrong:
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.errors.close()
        self.home.cleanup()

    def read(self, source):
        rest = b""
        while True:
            chunk = source.read(1 << 16)
            if not chunk:
                break
            *whole, rest = (rest + chunk).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    waiting = self.answers.pop(message["id"], None)
                    if waiting is not None:
                        waiting.put(message)
                elif message.get("sessionId") in self.pages:
                    self.pages[message["sessionId"]].on_event(message["method"], message["params"])
        for waiting in list(self.answers.values()):
            waiting.put({"error": {"message": "Chromium is gone"}})

    def call(self, method, params=None, session=None, within=WAIT_S):
        waiting = queue.Queue()
        with self.lock:
            self.last += 1
            number = self.last
            self.answers[number] = waiting
            order = {"id": number, "method": method, "params": params or {}}
            if session:
                order["sessionId"] = session
            try:
                self.to.write(json.dumps(order).encode() + b"\0")
            except OSError:
                raise Wrong(method + ": Chromium is gone") from None
        try:
            answer = waiting.get(timeout=within)
        except queue.Empty:
            raise Wrong("%s: no answer in %s s" % (method, within)) from None
        if "error" in answer:
            raise Wrong("%s: %s" % (method, answer["error"]["message"]))
        return answer["result"]

    def page(self, width=1400, height=900, scheme="light", script=True):
        """A page with cookies of its own, as a private window has them."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session, target)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(domain + ".enable")
        page.look(width, height, scheme)
        if not script:
            page.call("Emulation.setScriptExecutionDisabled", {"value": True})
        return page


KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, None), "Tab": ("Tab", 9, None), " ": ("Space", 32, " "),
        "ArrowLeft": ("ArrowLeft", 37, None), "ArrowRight": ("ArrowRight", 39, None), "ArrowDown": ("ArrowDown", 40, None)}
MODIFIERS = {"Alt": 1, "Ctrl": 2, "Meta": 4, "Shift": 8}


class Page:
    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        self.console, self.requests, self.responses, self.loaded = [], [], [], threading.Event()
        self.width = self.height = 0

    def call(self, method, params=None, within=WAIT_S):
        return self.browser.call(method, params, self.session, within)

    def on_event(self, method, params):
        if method == "Page.loadEventFired":
            self.loaded.set()
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.responseReceived":
            self.responses.append(params["response"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.console.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.console.append(params["entry"]["text"])

    def look(self, width, height, scheme, reduced=False):
        """How it is looked at: the window in CSS pixels, "dark" or "light"."""
        self.width, self.height = width, height
        self.call("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700})
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme},
                                                              {"name": "prefers-reduced-motion", "value": "reduce" if reduced else "no-preference"}]})

    def open(self, url):
        self.loaded.clear()
        answer = self.call("Page.navigate", {"url": url})
        if answer.get("errorText"):
            raise Wrong("%s: %s" % (url, answer["errorText"]))
        if not self.loaded.wait(WAIT_S):
            raise Wrong(url + " was not loaded")

    def eval(self, script):
        """The value of an expression in the page; a promise is awaited. The page's policy of content stays in force."""
        answer = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Wrong("in the page: " + details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, script, what, within=WAIT_S):
        """Until an expression is true: asked again with each frame that the page draws."""
        end = time.monotonic() + within
        while True:
            try:
                value = self.eval("(async () => { const end = performance.now() + 1000; for (;;) { const v = (%s); if (v || performance.now() > end) return v;"
                                  " await new Promise(f => requestAnimationFrame(f)) } })()" % script)
            except Wrong:
                value = None  # the page is on its way to another
                if time.monotonic() > end:
                    raise
            if value:
                return value
            if time.monotonic() > end:
                raise Wrong("not in %g s: %s" % (within, what))

    def key(self, key, *modifiers):
        code, number, text = KEYS[key] if key in KEYS else ("Key" + key.upper(), ord(key.upper()), key)
        how = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": sum(MODIFIERS[m] for m in modifiers)}
        if text and not set(modifiers) - {"Shift"}:
            how["text"] = text
        self.call("Input.dispatchKeyEvent", dict(how, type="keyDown"))
        self.call("Input.dispatchKeyEvent", dict(how, type="keyUp"))

    def click(self, selector):
        at = self.eval("(() => { const e = document.querySelector(%s); if (!e) return null; e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
                       " return r.width * r.height > 0 ? [r.x + r.width / 2, r.y + r.height / 2] : null })()" % json.dumps(selector))
        if at is None:
            raise Wrong("there is no %s to click" % selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", {"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1})

    def shot(self, path, whole=True):
        """A picture (PNG) of the whole page, or of the window."""
        how = {"format": "png"}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            how.update(captureBeyondViewport=True, clip={"x": 0, "y": 0, "width": self.width, "height": min(16000, size["height"]), "scale": 1})
        with open(path, "wb") as to:
            to.write(base64.b64decode(self.call("Page.captureScreenshot", how)["data"]))

    def need_quiet(self, origin):
        """Nothing was said on the console, and nothing asked for that does not begin with `origin`."""
        other = [u for u in self.requests if not u.startswith((origin, "data:", "about:"))]
        bad = ["on the console: " + line for line in self.console[:3]] + ["asked for elsewhere: " + u[:300] for u in other[:3]]
        if bad:
            raise Wrong("; ".join(bad))

    def axe(self, within="document", skip=()):
        """What axe-core finds, one line a finding: rules of WCAG 2.2 A and AA and its best practices (heading order, landmarks, regions)."""
        said = len(self.console)
        if not self.eval("'axe' in window"):
            self.eval(axe_source() + "; 0")
        rules = {name: {"enabled": False} for name in skip}
        found = json.loads(self.eval("axe.run(%s, {resultTypes: ['violations'], rules: %s}).then(r => JSON.stringify(r.violations.map(v => "
                                     "v.id + ' (' + v.impact + '): ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + "
                                     "n.any.concat(n.all, n.none).map(c => c.message).join(', ')).join(' | '))))" % (within, json.dumps(rules))))
        del self.console[said:]  # its own words
        return found

    def sideways(self):
        """CSS pixels by which the page is wider than its window."""
        return self.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def close(self):
        self.browser.call("Target.closeTarget", {"targetId": self.target})
