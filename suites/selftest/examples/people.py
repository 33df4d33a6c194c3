"""What a game day needs besides its lab: Prometheus, the shop's health, Slack and Grafana on one port, and the people who answer."""
import http.server, json, re, subprocess, threading


class Surroundings:
    """Answers each GET with a good figure, takes each POST; `posts` are the paths of those."""

    def __init__(self, orders="30"):
        self.posts, surroundings = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, value):
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, orders]}]}})

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                surroundings.posts.append(self.path)
                self.answer({})

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def run(program, args, answers, env, cwd, seconds):
    """`program run` without a terminal. `answers`: (what is asked, the answer, who gives it); who does not answer at once ("late") does so when
    the run has told how it goes on since, which it does each 10 s. Like subprocess.run; `unasked`: those left."""
    run_id, left, open_ones = args[args.index("--run") + 1], list(answers), []
    process = subprocess.Popen([program, "run", *args], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killer, out, err = threading.Timer(seconds, process.kill), [], []
    reader = threading.Thread(target=lambda: out.append(process.stdout.read()), daemon=True)
    killer.start()
    reader.start()
    for line in process.stderr:
        err.append(line)
        asked = re.match(r"\S+ ask +(\d+)\b(.*)", line)
        if asked:
            mine = next((a for a in left if a[0] in asked[2]), None)
            if mine:
                left.remove(mine)
                open_ones.append((asked[1], *mine[1:]))
        goes_on = re.match(r"\S+ \.\.\. ", line)
        for one in list(open_ones):
            number, text, who, *late = one
            if not late or goes_on:
                open_ones.remove(one)
                done = subprocess.run([program, "answer", run_id, number, text, "--as", who], cwd=cwd, env=env, capture_output=True, text=True)
                err.append(done.stdout + done.stderr)
    process.wait()
    reader.join()
    killer.cancel()
    done = subprocess.CompletedProcess(process.args, process.returncode, "".join(out), "".join(err))
    done.unasked = left + open_ones
    return done
