"""What a cluster has before a run comes to it, for fake_api.py: a Service `payments` with real pods behind it, a kube-proxy for the
addresses of Services, a mesh that retries, and callers who count what becomes of their requests."""
import http.server, itertools, json, socket, threading, time, urllib.error, urllib.request

from pump import pump

PORT = 8080  # where the real pods listen, and so must ours
CLUSTER_PORT = 9090  # of each Service
REAL_FROM = 201  # the real pods' addresses: 127.0.0.201 on; fake_api gives others


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 128

    def handle_error(self, *_):
        pass  # a client that went away


def serve(api, server):
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def end():
        server.shutdown()
        server.server_close()

    api.ends.append(end)


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Real:
    """A pod of the user's: answers with its name, and keeps the ids that it was asked with."""

    def __init__(self, shop, number):
        self.name, self.ip, self.asked = f"payments-5d9c-{number}", f"127.0.0.{REAL_FROM + number}", []
        real = self

        class Handler(Quiet):
            def do_GET(self):
                real.asked.append((self.headers.get("x-meshproof-id"), self.headers.get("Host")))
                self.say(200, real.name.encode())

        self.server = Server((self.ip, PORT), Handler)
        serve(shop.api, self.server)
        shop.api.put_real({"metadata": {"name": self.name, "namespace": "meshproof", "labels": {"app": "payments", "pod-template-hash": "5d9c"}},
                           "spec": {}, "status": {"phase": "Running", "podIP": self.ip, "conditions": [{"type": "Ready", "status": "True"}]}})


class Shop:
    def __init__(self, api, pods=2, port=None):
        self.api, self.stopping = api, threading.Event()
        api.balance = self.balance
        api.ends.append(self.stop)
        api.put("services", {"metadata": {"name": "payments", "namespace": "meshproof", "labels": {}},
                             "spec": {"selector": {"app": "payments"}, "ports": [port or {"name": "http", "port": CLUSTER_PORT, "targetPort": PORT}]}})
        self.selector = dict(api.objects[("services", "payments")]["spec"]["selector"])
        self.reals = [Real(self, n) for n in range(pods)]
        self.seen, self.refused, self.callers = {}, [], None

    def ready(self, service):
        return self.api.ready_addresses(service)

    def balance(self, service):
        """kube-proxy: a TCP listener at an address of its own, a connection to the next ready endpoint. Its address."""
        turn = itertools.count()
        listener = socket.create_server((f"127.0.1.{next(self.api.addresses)}", CLUSTER_PORT), backlog=128)

        def run():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # the end
                there = self.ready(service)
                try:
                    far = socket.create_connection(there[next(turn) % len(there)], 2)
                except (OSError, ZeroDivisionError):
                    client.close()
                    continue
                for a, b in ((client, far), (far, client)):
                    threading.Thread(target=pump, args=(a, b), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        self.api.ends.append(lambda: (listener.shutdown(socket.SHUT_RDWR), listener.close()))
        return listener.getsockname()[0]

    def call(self):
        """Callers of the Service who know nothing of any run: a new connection each, 50 a second."""
        ip = self.api.objects[("services", "payments")]["spec"]["clusterIP"]

        def ask():
            while not self.stopping.wait(0.02):
                try:
                    with urllib.request.urlopen(urllib.request.Request(f"http://{ip}:{CLUSTER_PORT}/", headers={"Host": "payments"}), timeout=5) as a:
                        self.seen[a.status] = self.seen.get(a.status, 0) + 1
                except urllib.error.HTTPError as why:
                    self.seen[why.code] = self.seen.get(why.code, 0) + 1
                except OSError as why:
                    self.refused.append(f"{time.monotonic():.1f} {why}")

        self.callers = threading.Thread(target=ask, daemon=True)
        self.callers.start()

    def stop(self):
        self.stopping.set()
        if self.callers:
            self.callers.join()


class Mesh:
    """In front of the load: takes a request, tries the Service's ready endpoints one after the other, and again on 503."""

    def __init__(self, api, service, tries):
        turn = itertools.count()

        class Handler(Quiet):
            def do_GET(self):
                status, text = 503, b"no healthy upstream"
                for _ in range(tries):
                    there = api.ready_addresses(service)
                    host, port = there[next(turn) % len(there)]
                    headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
                    try:
                        with urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}{self.path}", headers=headers), timeout=5) as a:
                            status, text = a.status, a.read()
                    except urllib.error.HTTPError as why:
                        status, text = why.code, why.read()
                    if status != 503:
                        break
                self.say(status, text)

        self.server = Server((f"127.0.2.{next(api.addresses)}", CLUSTER_PORT), Handler)
        serve(api, self.server)
        self.address = self.server.server_address[0]
