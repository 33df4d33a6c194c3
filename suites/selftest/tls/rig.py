"""A real Envoy between our ends, all on loopback: what `matrix` and `rotation` share.

Lab      a lab authority on disk, by `meshproof certs`
Endpoint a TLS server that requires a client's leaf and writes down each handshake; it reads its files at each accept
Proxied  the same by `meshproof proxy`: its TLS, its journal's handshakes; a SIGHUP after each step reads the files
Dialler  our client side by `meshproof proxy --to-tls`, towards Envoy's server side
Envoy    the subject: mTLS client and server, leaf and bundle by file SDS with watched_directory
call     a plain request to Envoy's client side; visit: a TLS client at Envoy's server side

Endpoint and visit are Python's ssl (OpenSSL): the third-party side, with no code of ours.."""
import ctypes, http.client, json, os, re, select, shutil, signal, socket, sqlite3, ssl, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PROGRAM = os.path.abspath(os.environ.get("MESHPROOF", os.path.join(ROOT, "build", "meshproof")))
ENVOY = os.environ.get("MESHPROOF_ENVOY", os.path.join(ROOT, "build", "deps", "envoy", "envoy"))
DOMAIN = "spiffe://cluster.local/ns/shop/sa/"
VERSIONS = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}
SECRETS = {"own": "tls_certificate", "ca": "validation_context"}
READ_BACK_S = 10.0  # measured 2 to 6 ms; a proxy that takes longer than this did not take the file
WAIT_S = 20.0  # for what must come at once, on a machine that does other things too


class Broken(Exception):
    """The set-up, not the subject."""


class Wrong(Exception):
    """The subject did not do what was measured of it."""


def check(what, seen, wanted):
    if seen != wanted:
        raise Wrong(f"{what}: {seen}, not {wanted}")


def dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def guarded(main):
    try:
        return main()
    except Broken as e:
        print(f"the set-up failed: {e}", file=sys.stderr)
        return 4


def need_envoy():
    if not os.access(ENVOY, os.X_OK):
        print("skipped: Envoy is not here: ./dev setup envoy", file=sys.stderr)
        sys.exit(77)


class Lab:
    def __init__(self, folder, places):
        """places: name -> account"""
        self.readers = []  # told after each step
        self.folder = os.path.join(folder, "lab")
        self.run("new", *[f"--identity={name}={DOMAIN}{account}" for name, account in places.items()])

    def run(self, verb, *options):
        done = subprocess.run([PROGRAM, "certs", verb, self.folder, *options], capture_output=True, text=True)
        if done.returncode != 0:
            raise Broken(f"meshproof certs {verb} {' '.join(options)}: {done.stderr.strip()}")
        return done.stdout

    def step(self, step, root, *places, skew=False, **options):
        words = [f"--step={step}", f"--root={root}"] + [f"--to={place}" for place in places]
        words += [f"--{name}={value}" if value is not True else f"--{name}" for name, value in options.items()]
        done = self.run("rotate", *words, *(["--skew"] if skew else []))
        for reader in self.readers:
            reader.read_again()
        return done

    def path(self, place, file=""):
        return os.path.join(self.folder, place, file)

    def serial(self, place):
        return ssl._ssl._test_decode_cert(self.path(place, "tls.crt"))["serialNumber"]


def context(lab, place, server, version=None, seen=None):
    """A new one for each connection, so that neither tickets nor session ids can resume."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_REQUIRED
    c.options |= ssl.OP_NO_TICKET
    if server:
        c.num_tickets = 0
    if version is not None:
        c.minimum_version = c.maximum_version = VERSIONS[version]
    c.load_verify_locations(lab.path(place, "ca.crt"))
    if os.path.exists(lab.path(place, "tls.crt")):
        version_folder = os.path.realpath(lab.path(place, "..data"))  # both files of one version
        c.load_cert_chain(os.path.join(version_folder, "tls.crt"), os.path.join(version_folder, "tls.key"))
    if seen is not None:
        c._msg_callback = seen
    return c


class Record:
    """One handshake, as one end saw it."""

    def __init__(self):
        self.done = self.accepted = self.resumed = False
        self.alerts = []  # (way, description, the handshake was done before)
        self.own = self.peer = self.error = self.status = None

    def seen(self, conn, way, version, content, message, data):
        if int(content) == 21 and data[1] != 0:
            self.alerts.append(("in" if way == "read" else "out", data[1], self.done))

    @property
    def refused(self):
        return not self.accepted and (bool(self.alerts) or self.error is not None)


def drain(sock):
    """After our refusal: the alert must arrive before the connection goes (tls-measured.md section 7, 7)."""
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(1)
        while sock.recv(4096):
            pass
    except OSError:
        pass
    sock.close()


class Endpoint:
    def __init__(self, lab, place, cond):
        self.lab, self.place = lab, place
        self.records, self.cond = [], cond
        self.kept = None  # with tickets: one context for all connections, so that its ticket keys stay
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def keep_tickets(self):
        self.kept = context(self.lab, self.place, True)
        self.kept.options &= ~ssl.OP_NO_TICKET
        self.kept.num_tickets = 2

    def context(self, r):
        if self.kept is None:
            return context(self.lab, self.place, True, seen=r.seen)
        self.kept.load_cert_chain(self.lab.path(self.place, "tls.crt"), self.lab.path(self.place, "tls.key"))
        return self.kept

    def serve(self, sock):
        r, tls = Record(), None
        try:
            sock.settimeout(WAIT_S)
            r.own = self.lab.serial(self.place)
            tls = self.context(r).wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            tls.do_handshake()
            r.done, r.resumed, r.peer = True, tls.session_reused, tls.getpeercert()["serialNumber"]
            head = b""
            while b"\r\n\r\n" not in head:
                got = tls.recv(4096)
                if not got:
                    break
                r.accepted, head = True, head + got
            if r.accepted:
                tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-endpoint: %s\r\nconnection: close\r\n\r\nok"
                            % self.place.encode())
        except (OSError, ValueError) as e:
            r.error = str(e)
        drain(tls if tls is not None else sock)
        with self.cond:
            self.records.append(r)
            self.cond.notify_all()

    def since(self, mark, count, wanted=lambda r: True):
        """Waits for ${count} records after ${mark} that are ${wanted}; returns all after it."""
        with self.cond:
            self.cond.wait_for(lambda: sum(map(wanted, self.records[mark:])) >= count, WAIT_S)
            return self.records[mark:]

    @property
    def mark(self):
        with self.cond:
            return len(self.records)

    def close(self):
        self.listener.close()


class Backend(Endpoint):
    """Plain HTTP behind Envoy's server side; a record for each request."""

    def __init__(self, cond):
        super().__init__(None, "backend", cond)

    def serve(self, sock):
        with sock, self.cond:
            head = b""
            while b"\r\n\r\n" not in head:
                got = sock.recv(4096)
                if not got:
                    return
                head += got
            self.records.append(head)
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")


class Plain(Endpoint):
    """An endpoint without TLS: it answers a ClientHello as it would a request. A record is all that it was sent."""

    def __init__(self, cond):
        super().__init__(None, "plain", cond)

    def serve(self, sock):
        got = b""
        with sock:
            sock.settimeout(WAIT_S)
            try:
                got = sock.recv(65536)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                while more := sock.recv(65536):
                    got += more
            except OSError:
                pass
        with self.cond:
            self.records.append(got)
            self.cond.notify_all()


class Journalled:
    """A `meshproof proxy` and the handshakes of one of its sides, from its journal while it runs. Raw TCP within TLS, so that
    each connection of one side is one of the other, and ends with it."""

    def __init__(self, lab, name, side, *options):
        self.lab, self.side = lab, side
        self.path = os.path.join(os.path.dirname(lab.folder), name + ".db")
        self.process = subprocess.Popen(
            [PROGRAM, "proxy", "--protocol", "tcp", "--seed", "5eed0001", "-o", self.path, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
        self.admin = self.told(r"admin on (\S+)") if "--admin" in options else None
        self.port = int(self.told(r"listening on \S+:(\d+) -> "))
        lab.readers.append(self)

    def told(self, form):
        found = re.match(form, self.process.stdout.readline())
        if not found:
            raise Broken(f"meshproof proxy did not start: {self.process.stderr.read()}")
        return found.group(1)

    def arm(self, fault):
        """Returns what takes it back."""
        number = self.ask("POST", "/v1/proxies/proxy/faults", fault)["id"]
        return lambda: self.ask("DELETE", f"/v1/proxies/proxy/faults/{number}")

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection(self.admin, timeout=WAIT_S)
        try:
            c.request(method, path, body=None if body is None else json.dumps(body))
            answer = c.getresponse()
            text = answer.read().decode()
        finally:
            c.close()
        if answer.status not in (200, 201, 204):
            raise Broken(f"{method} {path}: {answer.status} {text}")
        return json.loads(text) if text else None

    def read_again(self):
        self.process.send_signal(signal.SIGHUP)
        line = self.process.stderr.readline()
        if "files of TLS were read again" not in line:
            raise Broken(f"meshproof proxy did not read its files: {line}")

    @property
    def records(self):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=WAIT_S) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute('SELECT h.*, n.text AS peer FROM handshake h LEFT JOIN name n ON n.proc = h.proc '
                              'AND n.id = h.leaf_serial WHERE side = ? ORDER BY h.rowid', (self.side,)).fetchall()
        return [self.record(row) for row in rows]

    @staticmethod
    def record(row):
        r = Record()
        r.done, r.accepted, r.resumed, r.peer = row["done"] != 0, row["first_app"] != 0, bool(row["resumed"]), row["peer"]
        r.result, r.version = row["result"], row["version"]
        for way, code, bit in (("in", row["alert_in"], 4), ("out", row["alert_out"], 8)):
            if code:
                r.alerts.append((way, code - 1, bool(row["flags"] & bit)))
        return r

    @property
    def mark(self):
        return len(self.records)

    def since(self, mark, count, wanted=lambda r: True):
        end = time.monotonic() + WAIT_S
        while True:
            records = self.records[mark:]
            if sum(map(wanted, records)) >= count or time.monotonic() > end:
                return records
            select.select([], [], [], 0.01)

    def close(self):
        if self in self.lab.readers:
            self.lab.readers.remove(self)
        self.process.send_signal(signal.SIGTERM)
        try:
            _, text = self.process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Broken("meshproof proxy did not end")
        if self.process.returncode != 0 or "ERROR: " in text:
            raise Broken(f"meshproof proxy ended with {self.process.returncode}: {text}")


class Proxied(Journalled):
    def __init__(self, lab, place, account, backend_port):
        self.place = place
        super().__init__(lab, place, 0, "--to", f"127.0.0.1:{backend_port}", "--tls-cert", lab.path(place, "tls.crt"),
                         "--tls-key", lab.path(place, "tls.key"), "--tls-trust", lab.path(place, "ca.crt"),
                         "--tls-lab", lab.folder, "--tls-identity", DOMAIN + account, "--admin", "127.0.0.1:0")


class Dialler(Journalled):
    def __init__(self, lab, place, account, to_port, version, *options):
        super().__init__(lab, f"{place}-{version}-{len(options)}", 1, "--to", f"127.0.0.1:{to_port}", "--to-tls",
                         "--to-cert", lab.path(place, "tls.crt"), "--to-key", lab.path(place, "tls.key"),
                         "--to-trust", lab.path(place, "ca.crt"), "--to-name", DOMAIN + account,
                         "--tls-min", version, "--tls-max", version, *options)

    def visit(self):
        mark, status, error = self.mark, None, None
        try:
            status = call(self.port)["status"]
        except (OSError, http.client.HTTPException) as e:
            error = str(e) or type(e).__name__
        records = self.since(mark, 1)
        check("handshakes of a visit", len(records), 1)
        records[0].status, records[0].error = status, error
        return records[0]


def visit(lab, place, port, version):
    """Our client at Envoy's server side. In 1.3 "handshake done" is nothing: read before you judge."""
    r = Record()
    sock = socket.create_connection(("127.0.0.1", port), WAIT_S)
    tls = None
    try:
        tls = context(lab, place, False, version, r.seen).wrap_socket(sock, do_handshake_on_connect=False)
        tls.do_handshake()
        r.done, r.resumed, r.peer = True, tls.session_reused, tls.getpeercert()["serialNumber"]
        try:
            tls.sendall(b"GET / HTTP/1.1\r\nhost: mesh\r\nconnection: close\r\n\r\n")
        except OSError:
            pass  # EPIPE is not the cause: the alert is there to be read
        answer = tls.recv(4096)
        r.accepted = len(answer) > 0
        r.status = int(answer.split()[1]) if r.accepted else None
        r.error = None if r.accepted else "closed without an answer"
    except (OSError, ValueError) as e:
        r.error = str(e)
    drain(tls if tls is not None else sock)
    return r


def call(port):
    """A plain request to Envoy's client side."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        c.request("GET", "/", headers={"connection": "close"})
        a = c.getresponse()
        return {"status": a.status, "body": a.read().decode(), "flags": a.getheader("x-flags", ""),
                "reason": a.getheader("x-reason", ""), "endpoint": a.getheader("x-endpoint")}
    finally:
        c.close()


# ---- Envoy


def typed(kind, **fields):
    return {"@type": f"type.googleapis.com/envoy.{kind}", **fields}


def sds(folder, name):
    return {"name": name, "sds_config": {"resource_api_version": "V3", "path_config_source": {"path": f"{folder}/{name}.json"}}}


def write_secrets(lab, place, folder):
    own = {"certificate_chain": {"filename": lab.path(place, "tls.crt")}, "private_key": {"filename": lab.path(place, "tls.key")}}
    ca = {"trusted_ca": {"filename": lab.path(place, "ca.crt")}}
    for name, value in (("own", own), ("ca", ca)):
        value["watched_directory"] = {"path": lab.path(place)}
        secret = typed("extensions.transport_sockets.tls.v3.Secret", name=name, **{SECRETS[name]: value})
        with open(f"{folder}/{name}.json", "w") as f:
            json.dump({"version_info": "0", "resources": [secret]}, f)


def tls_common(folder, version, account, leaf):
    exact = {"san_type": "URI", "matcher": {"exact": DOMAIN + account}}
    wire = "TLSv1_" + version[2]
    return {
        "tls_params": {"tls_minimum_protocol_version": wire, "tls_maximum_protocol_version": wire},
        **({"tls_certificate_sds_secret_configs": [sds(folder, "own")]} if leaf else {}),
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [exact]},
            "validation_context_sds_secret_config": sds(folder, "ca"),
        },
    }


def cluster(name, ports, tls=None):
    c = {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {"cluster_name": name, "endpoints": [{
        "lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": p}}}} for p in ports]}]}}
    if tls is not None:
        c["transport_socket"] = {"name": "tls", "typed_config": typed("extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                                                                     common_tls_context=tls)}
    return c


def listener(name, to, tls=None):
    # Istio's default policy; what Envoy knows of a failure comes back in headers of its own answer.
    route = {"match": {"prefix": "/"}, "route": {"cluster": to, "timeout": "8s", "retry_policy": {
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2,
        "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts",
                                  "typed_config": typed("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")}],
        "host_selection_retry_max_attempts": 5}}}
    told = [{"header": {"key": key, "value": value}, "keep_empty_value": True}
            for key, value in (("x-flags", "%RESPONSE_FLAGS%"), ("x-reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"))]
    hcm = typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix=name,
                route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
                local_reply_config={"mappers": [{"headers_to_add": told, "filter": {"status_code_filter": {"comparison": {
                    "op": "GE", "value": {"default_value": 400, "runtime_key": "none"}}}}}]},
                http_filters=[{"name": "router", "typed_config": typed("extensions.filters.http.router.v3.Router")}])
    chain = {"filters": [{"name": "hcm", "typed_config": hcm}]}
    if tls is not None:
        chain["transport_socket"] = {"name": "tls", "typed_config": typed(
            "extensions.transport_sockets.tls.v3.DownstreamTlsContext", require_client_certificate=True, common_tls_context=tls)}
    return {"name": name, "stat_prefix": name, "filter_chains": [chain],
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}


class Envoy:
    """One worker. Listeners: client-V and server-V, bare-V, whose cluster has no leaf, and plain-V, whose endpoint has no TLS;
    V is 1.3 or 1.2."""

    def __init__(self, folder, lab, place, endpoint_ports, backend_port, plain_port, endpoint_account, client_account, versions):
        self.folder, self.versions, self.log = folder, versions, []
        write_secrets(lab, place, folder)
        clusters, listeners = [cluster("backend", [backend_port])], []
        for v in versions:
            for kind, leaf in (("client", True), ("bare", False)):
                clusters.append(cluster(f"{kind}-{v}", endpoint_ports, tls_common(folder, v, endpoint_account, leaf)))
                listeners.append(listener(f"{kind}-{v}", f"{kind}-{v}"))
            clusters.append(cluster(f"plain-{v}", [plain_port], tls_common(folder, v, endpoint_account, True)))
            listeners.append(listener(f"plain-{v}", f"plain-{v}"))
            listeners.append(listener(f"server-{v}", "backend", tls_common(folder, v, client_account, True)))
        config = {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
                  "node": {"id": "subject", "cluster": "subject"},
                  "static_resources": {"clusters": clusters, "listeners": listeners}}
        with open(f"{folder}/envoy.json", "w") as f:
            json.dump(config, f)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [ENVOY, "-c", f"{self.folder}/envoy.json", "--concurrency", "1", "--disable-hot-restart", "-l", "warning",
             "--component-log-level", "config:info", "--admin-address-path", f"{self.folder}/admin"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
        ready = threading.Event()
        threading.Thread(target=self.read_log, args=(ready,), daemon=True).start()
        if not ready.wait(60) or self.process.poll() is not None:
            raise Broken("Envoy did not start: " + " ".join(self.log[-3:]))
        with open(f"{self.folder}/admin") as f:
            self.admin = f.read().strip()
        self.ports = {one["name"]: one["local_address"]["socket_address"]["port_value"]
                      for one in json.loads(self.get("/listeners?format=json"))["listener_statuses"]}

    def read_log(self, ready):
        for line in self.process.stderr:
            self.log.append(line.strip())
            if "starting workers" in line:
                ready.set()
        ready.set()

    def get(self, path):
        c = http.client.HTTPConnection(self.admin, timeout=WAIT_S)
        c.request("GET", path)
        try:
            return c.getresponse().read().decode()
        finally:
            c.close()

    def stats(self):
        return {s["name"]: s.get("value", 0) for s in json.loads(self.get("/stats?format=json"))["stats"] if "name" in s}

    @staticmethod
    def contexts(stats):
        """Times that each user of the files has taken new bytes."""
        return {name: value for name, value in stats.items() if name.endswith(".ssl_context_update_by_sds")}

    def swapped(self, swap, bare_too):
        """Does ${swap} and waits until every user of the files has taken it. ${bare_too}: the clusters without a leaf as
        well, which is so for a bundle. Returns how long it took."""
        before = self.contexts(self.stats())
        users = {name for name in before if bare_too or ".bare-" not in name}
        swap()
        start, last = time.monotonic(), None
        while time.monotonic() - start < READ_BACK_S:
            last = self.stats()
            now = self.contexts(last)
            if all(now[name] > before[name] for name in users):
                return time.monotonic() - start
            select.select([], [], [], 0.002)
        failed = {n: v for n, v in last.items() if n.endswith("key_rotation_failed") and v}
        raise Broken(f"the proxy did not take the file within {READ_BACK_S} s; {failed or 'no key_rotation_failed'}")

    def close(self):
        self.process.kill()
        self.process.wait()


class Rig:
    """Everything of one run, in a folder that goes with it. ${ours}: the ends are `meshproof proxy`, else Python's ssl."""

    def __init__(self, endpoints, versions, ours=False):
        self.folder = tempfile.mkdtemp(prefix="meshproof-tls-")
        self.parts, self.cond = [], threading.Condition()
        try:
            places = {"mesh": "checkout", "frontend": "frontend", **{name: "payments" for name in endpoints}}
            self.lab = Lab(self.folder, places)
            self.behind = self.keep(Backend(self.cond)) if ours else None  # the endpoints
            self.endpoints = {name: self.keep(Proxied(self.lab, name, "payments", self.behind.port) if ours else
                                              Endpoint(self.lab, name, self.cond)) for name in endpoints}
            self.backend, self.plain = self.keep(Backend(self.cond)), self.keep(Plain(self.cond))
            self.envoy = self.keep(Envoy(self.folder, self.lab, "mesh", [e.port for e in self.endpoints.values()],
                                         self.backend.port, self.plain.port, "payments", "frontend", versions))
            self.diallers = {}
            for version in versions if ours else ():
                for bare, options in ((False, ()), (True, ("--fault", "cert kind=no_certificate"))):
                    self.diallers[version, bare] = self.keep(Dialler(
                        self.lab, "frontend", "checkout", self.envoy.ports[f"server-{version}"], version, *options))
        except BaseException:
            self.__exit__()
            raise

    def visit(self, version, bare=False):
        """Our client at Envoy's server side. ${bare}: without a leaf, where that is not what the place has."""
        if self.diallers:
            return self.diallers[version, bare].visit()
        return visit(self.lab, "frontend", self.envoy.ports[f"server-{version}"], version)

    def until(self, true):
        """Waits for what the endpoints' records must show; returns whether they do."""
        with self.cond:
            return self.cond.wait_for(true, WAIT_S)

    def keep(self, part):
        self.parts.append(part)
        return part

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for part in reversed(self.parts):
            part.close()
        shutil.rmtree(self.folder, ignore_errors=True)
