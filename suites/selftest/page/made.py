"""The page alone, with snapshots that no run gives on demand."""
import http.server, json, os, threading

from rig import MARKUP, SHOTS, Run, Wrong, asked, cookie_of, in_state, need, phase, suite, text


class Made:
    """Serves the page that a real run gave, with its policy, and made snapshots: what `snapshot` says, five times a second."""

    def __init__(self, run, snapshot):
        made = self
        self.snapshot, self.posted, self.over = snapshot, [], threading.Event()
        cookie = cookie_of(run)
        _, headers, page = asked(run, "GET", "/", {"Cookie": cookie})

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path in ("/", "/events") else 404)
                self.send_header("Content-Type", "text/event-stream" if self.path == "/events" else "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", headers["content-security-policy"])
                self.end_headers()
                if self.path == "/":
                    self.wfile.write(page.encode())
                while self.path == "/events" and not made.over.wait(.2):
                    self.wfile.write(("event: snapshot\ndata: %s\n\n" % json.dumps(made.snapshot)).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a page that was closed
        self.origin = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def mock_snapshot():
    """The run of mock/dashboard.html, at 3:02.4."""
    def lane(name, steady, answered, failed, kind, out_after=60):
        calm = 28
        kinds = "." * calm + kind * (out_after - calm) + "#" * (60 - out_after)
        return {"name": name, "answered": [steady] * calm + [answered + i % 5 for i in range(out_after - calm)] + [0] * (60 - out_after),
                "failed": [0] * calm + [failed + i % 4 for i in range(out_after - calm)] + [0] * (60 - out_after), "kind": kinds, "out": out_after < 60,
                "answered_per_s": answered if out_after == 60 else 0, "failed_per_s": failed if out_after == 60 else 0}

    def fault(what, place, reach):
        return {"text": what, "place": place, "share": "20%", "left_ms": 27600, "total_ms": 60000, "fired": 431, "reach_per_s": reach}

    def guard(name, value, limit, state, upper, before, after):
        return {"name": name, "value": value, "limit": limit, "state": state, "upper": upper, "samples": [before] * 28 + [after + i % 3 for i in range(32)]}

    names = [("steady", 0), ("payments/2 fails", 40), ("settle", 100), ("payments drags", 150), ("rotate roots", 210), ("recovery", 270), ("", 300)]
    phases = [{"name": n, "from_ms": t * 1000, "to_ms": names[i + 1][1] * 1000, "state": "done" if i < 3 else "now" if i == 3 else "next"} for i, (n, t) in enumerate(names[:-1])]
    verdicts = [("FAIL", "retry.max", "3 retries where 2 are allowed, on 43 of 6 480 requests, first at 2:30.430", "payments-vs.yaml:14"),
                ("FAIL", "eject.length", "payments/2 back after 34.9 s, declared at least 60 s", "payments-dr.yaml:17"),
                ("INCONCLUSIVE", "cb.pending", "limit not reached: 9 waiting of 64", "payments-dr.yaml:11"),
                ("INCONCLUSIVE", "lb.slow_share", "needs 5 520 more requests", "payments-dr.yaml:8"), ("INCONCLUSIVE", "mtls.plaintext", "16 of 64 probes", "payments-pa.yaml:7"),
                ("PASS", "retry.must", "1 242 of 1 242 were made", "payments-vs.yaml:14"), ("PASS", "timeout.try", "261 timeouts within 250 ms", "payments-vs.yaml:16"),
                ("PASS", "eject.trip", "3 ejections at the 5th failure", "payments-dr.yaml:15")]
    events = [(182100, "guard", "p99 323 ms is near its limit of 400 ms"), (176500, "mesh", "payments/2 is out: no tries while others have them"),
              (150400, "claim", "retry.max FAIL: request c-7586, 4 tries"), (150000, "fault", "latency 400 ms on payments/1, 20%, ends 3:30"),
              (150000, "fault", "abort 503 on payments/2, 20%, ends 3:30"), (150000, "phase", "payments drags, 1m"), (100000, "undo", "abort 503 on payments/2 lifted, fired 96")]
    return {"state": "running", "run": "1f0a77c2", "seed": "51f3aa01", "suite": "suites/first/payments.lua", "target": "istio@1.31", "scenario": "payments",
            "edge": "checkout -> payments", "since_start_ms": 182400, "expected_total_ms": 300000, "phase_left_ms": 27600, "next": "Next at 3:30: rotate roots", "ends": "",
            "lanes": [lane("payments/1", 33, 8, 3, "t"), lane("payments/2", 34, 40, 16, "5", 54), lane("payments/3", 35, 50, 18, "5")],
            "faults": [fault("latency 400 ms", "payments/1", 14), fault("abort 503", "payments/2, /3", 26), fault("reset", "payments", 2)],
            "guards": [guard("answered 200", "99.7 %", "at least 98%", "ok", False, 102, 101), guard("p99 latency", "323 ms", "at most 400ms", "near", True, 12, 79),
                       guard("tries for each request", "1.24", "at most 1.50", "ok", True, 66, 81)],
            "phases": phases, "verdicts": [dict(zip(("kind", "claim", "text", "mark"), v)) for v in verdicts],
            "events": [{"at_ms": t, "kind": k, "text": x} for t, k, x in events], "question": None, "fail": 2, "inconclusive": 3, "pass": 3, "judged_ms": 182000, "lanes_more": 0,
            "touched_per_s": 40, "tries_per_s": 200, "endpoints_touched": 3, "endpoints": 3, "requests": 34000, "tries": 42000, "journal": "run.db", "journal_bytes": 1 << 20,
            "abort_reason": "", "undone": 0, "undo_total": 0, "end": ""}


def strings_of(value, change):
    """The snapshot with every text changed that is not one of its own words."""
    if isinstance(value, dict):
        return {k: v if k in ("state", "kind") else strings_of(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [strings_of(v, change) for v in value]
    return change(value) if isinstance(value, str) and value else value


def made(browser, folder):
    """Snapshots that no run gives on demand: the mock's own, every text hostile, everything at its maximum, nothing at all, and each state."""
    run = Run(folder, suite(folder, phase("calm", 20), guard=""))
    server = None
    bad = []
    try:
        server = Made(run, mock_snapshot())
        run.end()
        shapes = {"mock": mock_snapshot(), "hostile": strings_of(mock_snapshot(), lambda t: MARKUP + t)}
        most = mock_snapshot()
        most.update(lanes=[dict(most["lanes"][i % 3], name="a-service-with-a-very-long-name-%d/%d" % (i, i), kind=("." * 20 + "5trx#" * 8)) for i in range(12)], lanes_more=38,
                    faults=[dict(most["faults"][i % 3], left_ms=-1, total_ms=-1, place="edge -> a-service-with-a-very-long-name-0") for i in range(32)],
                    guards=[dict(most["guards"][1], state=("ok", "near", "tripped")[i % 3], samples=[-1] * 30 + [0, 10000] * 15) for i in range(8)],
                    phases=[dict(most["phases"][3], name="phase number %d of many" % i, state="now" if i == 40 else "done") for i in range(64)],
                    verdicts=most["verdicts"] * 5, events=most["events"] * 7, fail=100, suite="/a/very/long/path/" * 8 + "s.lua", ends="await payments/2 ejected within 30s")
        shapes["most"] = most
        shapes["least"] = dict(mock_snapshot(), state="starting", edge="", scenario="", since_start_ms=0, expected_total_ms=0, phase_left_ms=-1, next="", lanes=[], faults=[],
                               guards=[], phases=[], verdicts=[], events=[], fail=0, inconclusive=0, **{"pass": 0})
        shapes["undoing"] = dict(mock_snapshot(), state="undoing", abort_reason="guard p99 latency above 400ms for 3s", undone=3, undo_total=11)
        shapes["not_undone"] = dict(mock_snapshot(), state="done", faults=[], abort_reason="stopped by alice", undone=10, undo_total=11)
        for name, shape in shapes.items():
            server.snapshot = shape
            for width, scheme in ((1400, "dark"), (420, "light"), (900, "light")):
                page = browser.page(width, 1000, scheme)
                page.open(server.origin + "/")
                in_state(page, shape["state"])
                page.shot(os.path.join(SHOTS, "made-%s-%d-%s.png" % (name, width, scheme)))
                where = "%s, %d px: " % (name, width)
                bad += [where + line for line in page.axe()]
                if page.sideways() > 0:
                    bad.append(where + "wider than its window by %d px" % page.sideways())
                if page.eval("document.querySelectorAll('img, iframe, object').length + document.scripts.length") != 1:
                    bad.append(where + "markup became an element")
                if name == "undoing" and text(page, "#ending") != "undoing 3 of 11":
                    bad.append(where + text(page, "#ending"))
                if name == "not_undone" and "meshproof recover --run 1f0a77c2" not in text(page, "#over-t"):
                    bad.append(where + text(page, "#over-t"))
                if name == "mock" and not ("OUT" in text(page, "#lanes") and "near the limit" in text(page, "#gauges") and page.eval("document.querySelectorAll('.bar-out').length") == 1):
                    bad.append(where + "no ejection or no near limit is shown")
                try:
                    page.need_quiet(server.origin)
                except Wrong as e:
                    bad.append(where + str(e))
                page.close()
        need(not bad, "\n".join(bad))
    finally:
        run.end()
        if server is not None:
            server.end()
