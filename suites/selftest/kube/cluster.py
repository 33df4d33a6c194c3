"""A control plane of Kubernetes on this machine, without any node: etcd, kube-apiserver, kube-controller-manager and
kube-scheduler as child processes, and a client of its API out of the standard library."""
import ctypes, json, os, shutil, signal, socket, ssl, subprocess, threading, time, urllib.error, urllib.request

ADDRESS = "10.77.0.1"  # of the bridge that pods hang on; the API server refuses loopback addresses in slices
TOKEN = "test-admin"
SERVER = "https://127.0.0.1:6443"


class Refused(Exception):
    """The API server's own sentence."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


def dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_until(what, seconds, so, event=None):
    """Until so() is true: its value. ${event}: what to wait on between two looks; the deadline ends it in any case."""
    until = time.monotonic() + seconds
    event = event or threading.Event()
    while True:
        value = so()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {seconds} s")
        event.wait(0.1)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Client:
    def __init__(self):
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE  # the server's certificate is its own, made a second ago

    def open(self, verb, path, body=None, kind="application/json", timeout=30):
        request = urllib.request.Request(SERVER + path, method=verb, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind, "Accept": "application/json"})
        try:
            return urllib.request.urlopen(request, context=self.tls, timeout=timeout)
        except urllib.error.HTTPError as why:
            text = why.read().decode(errors="replace")
            try:
                text = json.loads(text).get("message", text)
            except ValueError:
                pass
            raise Refused(why.code, text) from None

    def call(self, verb, path, body=None, kind="application/json"):
        with self.open(verb, path, body, kind) as answer:
            return json.loads(answer.read() or b"null")

    def get(self, path):
        return self.call("GET", path)

    def find(self, path):
        try:
            return self.get(path)
        except Refused as why:
            if why.code == 404:
                return None
            raise

    def merge(self, path, body):
        return self.call("PATCH", path, body, "application/strategic-merge-patch+json")


class Cluster:
    """Started whole by start(); its processes die with this one. ${programs}: the folder of the three that were built."""

    def __init__(self, folder, programs):
        self.folder, self.programs, self.children = folder, programs, {}
        self.client = Client()
        self.kubeconfig = self.path("kubeconfig")
        self.kubectl_program = os.path.join(programs, "kubectl")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def spawn(self, name, *command):
        log = open(self.path(name + ".log"), "wb")
        self.children[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=dies_with_us)

    def alive(self):
        for name, child in self.children.items():
            if child.poll() is not None:
                with open(self.path(name + ".log"), errors="replace") as log:
                    raise AssertionError(f"{name} ended with {child.returncode}:\n{log.read()[-3000:]}")
        return True

    def ready(self):
        self.alive()
        try:
            with self.client.open("GET", "/readyz", timeout=5) as answer:
                return answer.read() == b"ok"
        except (OSError, Refused):
            return False

    def start(self):
        keys = self.path("keys")
        os.makedirs(keys)
        subprocess.run(["openssl", "genrsa", "-out", keys + "/sa.key", "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", keys + "/sa.key", "-pubout", "-out", keys + "/sa.pub"], check=True, capture_output=True)
        with open(self.path("tokens.csv"), "w") as file:
            file.write(f'{TOKEN},admin,admin,"system:masters"\n')
        with open(self.kubeconfig, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "test",
                       "clusters": [{"name": "test", "cluster": {"server": SERVER, "insecure-skip-tls-verify": True}}],
                       "users": [{"name": "admin", "user": {"token": TOKEN}}],
                       "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}, file)
        self.spawn("etcd", shutil.which("etcd"), "--data-dir", self.path("etcd"), "--listen-client-urls", "http://127.0.0.1:2379",
                   "--advertise-client-urls",
                   "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                   "--initial-cluster", "default=http://127.0.0.1:2380")
        wait_until("etcd", 60, lambda: self.alive() and listens(2379))
        self.spawn("apiserver", os.path.join(self.programs, "kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379", "--secure-port=6443",
                   f"--advertise-address={ADDRESS}",
                   f"--cert-dir={keys}", "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={keys}/sa.pub",
                   f"--service-account-signing-key-file={keys}/sa.key", "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
                   f"--token-auth-file={self.path('tokens.csv')}")
        wait_until("kube-apiserver", 240, self.ready)
        common = [f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1"]
        self.spawn("controller-manager", os.path.join(self.programs, "kube-controller-manager"), *common, f"--cert-dir={keys}",
                   f"--service-account-private-key-file={keys}/sa.key", f"--root-ca-file={keys}/apiserver.crt")
        self.spawn("scheduler", os.path.join(self.programs, "kube-scheduler"), *common, f"--cert-dir={keys}")
        wait_until("the default account", 120, lambda: self.alive() and self.client.find("/api/v1/namespaces/default/serviceaccounts/default"))

    def kubectl(self, *words, text=None, may_fail=False, within=180):
        done = subprocess.run([self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *words], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=within,
                              env={**os.environ, "HOME": self.folder})
        if done.returncode != 0 and not may_fail:
            raise AssertionError(f"kubectl {' '.join(words)}: exit {done.returncode}\n{done.stdout}")
        return done.returncode, done.stdout
