"""Runs with --on kubernetes --mode interpose: beside the real pods of a Service, on the real API server (spec/kubernetes.md section 3,
case 5, and trap 1). No mesh: the builtin one is played in the load pod. Written for the stage of canary.py; a real pod is `meshproof proxy`
before an HTTP server of this file, and the addresses of Services are served by it too, for the stage has no kube-proxy."""
import http.server, itertools, os, signal, socket, subprocess, threading

import canary
from canary import BASE, NAMESPACE, need
from cluster import ADDRESS, Refused, wait_until
from pump import pump

LABELS, PORT, SERVED = {"app": "payments"}, 8080, 9900
SUITE = canary.SUITE.replace("endpoints = 2", "endpoints = 1")
SERVICE = f"{BASE}/services/payments"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D"


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a caller that a fault of ours reset


class Cases(canary.Cases):
    proxied = None  # addresses of Services that are served

    def balance(self, service):
        """kube-proxy for one Service: at its address, a connection to the next ready endpoint."""
        spec = self.client.get(f"{BASE}/services/{service}")["spec"]
        subprocess.run(["ip", "addr", "replace", spec["clusterIP"] + "/32", "dev", "lo"], check=True)
        listener, turn = socket.create_server((spec["clusterIP"], spec["ports"][0]["port"]), backlog=128), itertools.count()

        def run():
            while True:
                client, _ = listener.accept()
                try:
                    there = self.ready(service)
                    far = socket.create_connection(there[next(turn) % len(there)], 2)
                except (OSError, ZeroDivisionError, Refused):
                    client.close()
                    continue
                for a, b in ((client, far), (far, client)):
                    threading.Thread(target=pump, args=(a, b), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()

    def keep_balancing(self):
        """Services of a run, as they come."""
        while True:
            for service in self.client.get(f"{BASE}/services")["items"]:
                if service["metadata"]["uid"] not in self.proxied and service["spec"].get("clusterIP", "None") != "None":
                    self.proxied.add(service["metadata"]["uid"])
                    self.balance(service["metadata"]["name"])
            threading.Event().wait(0.1)

    def ready(self, service):
        return [(e["addresses"][0], s["ports"][0]["port"]) for s in self.client.get(SLICES + service)["items"] for e in s.get("endpoints") or []
                if e["conditions"].get("ready")]

    def ours(self):
        return [e["targetRef"]["name"] for s in self.client.get(SLICES + "payments")["items"] for e in s.get("endpoints") or []
                if e["conditions"].get("ready") and e["targetRef"]["name"].startswith("mp-")]

    def shop(self):
        """The user's: a Service, a ReplicaSet's three pods behind it (whose selector matches ours, trap 1), and the opt-in."""
        self.rights()
        self.kubectl("label", "namespace", NAMESPACE, "meshproof.io/allow=canary.interpose", "--overwrite")
        self.kubectl("apply", "-n", NAMESPACE, "-f", os.path.join(self.deploy, "roles", "interpose", "role.yaml"))
        if self.proxied is not None:
            return
        self.proxied, self.server = set(), Server((ADDRESS, SERVED), Answers)
        self.server.asked = 0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        pod = {"metadata": {"labels": LABELS},
               "spec": {"securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                        "automountServiceAccountToken": False, "enableServiceLinks": False,
                        "containers": [{"name": "app", "image": self.IMAGE, "args": ["proxy", "--listen", f"0.0.0.0:{PORT}", "--to",
                                                                                    f"{ADDRESS}:{SERVED}"],
                                        "ports": [{"name": "web", "containerPort": PORT}],
                                        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                                        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                            "capabilities": {"drop": ["ALL"]}}}]}}
        self.client.call("POST", f"{BASE}/services",
                         {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "payments"},
                          "spec": {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]}})
        self.client.call("POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets",
                         {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "payments"},
                          "spec": {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": pod}})
        wait_until("the real pods", 60, lambda: len(self.ready("payments")) == 3)
        threading.Thread(target=self.keep_balancing, daemon=True).start()

    def interposing(self, swap=False):
        more = ("--mode", "interpose", "--yes", *(("--swap", "--allow", "edit") if swap else ()))
        return {"suite": canary.SUITE if swap else SUITE, "more": more}

    def as_before(self, before):
        """The Service is what it was, the ReplicaSet has its three, and the real pods alone are behind it."""
        service = self.client.get(SERVICE)
        need(service["spec"] == before["spec"], f"{service}")
        need(not self.ours() and len(self.ready("payments")) == 3, f"{self.client.get(SLICES + 'payments')}")
        status = self.client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets/payments")["status"]
        need(status["replicas"] == status["readyReplicas"] == 3, f"the ReplicaSet: {status}")

    # ---- cases

    def case_interpose_pass(self):
        """interpose: a pod joins the Service by its labels and its gate, no controller takes it, it relays, PASS, it is gone; nothing is edited"""
        self.shop()
        before = self.client.get(SERVICE)
        self.verdict("0b000001", 0, **self.interposing())
        self.as_before(before)
        need(self.client.get(SERVICE)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], "the Service was written")
        need(self.server.asked > 0, "nothing came to the real pods")

    def case_interpose_killed(self):
        """interpose: SIGKILL of the conductor: our endpoint leaves the Service by itself, the guardian takes all away"""
        self.shop()
        before = self.client.get(SERVICE)
        self.job("0b000002", lasting="120s", **self.interposing())
        pod = self.started("0b000002")
        need(self.ours() == ["mp-0b000002-payments-1"], f"{self.ours()}")
        pod.signal(signal.SIGKILL)
        wait_until("our endpoint to leave", 12, lambda: not self.ours())
        wait_until("the guardian", 60, lambda: not self.left("0b000002"))
        self.clean("0b000002")
        self.as_before(before)

    def case_interpose_kill(self):
        """interpose --allow kill: our endpoint refuses for the fault's life while it stays in the Service; the user's pods are who they were"""
        self.shop()
        before, reals = self.client.get(SERVICE), sorted(self.ready("payments"))
        guard = '  guard = { guard.limits { namespaces = { "' + NAMESPACE + '" }, share = "100%" } },\n'
        kill = SUITE.split("    fault.abort")[0].replace("  settle", guard + "  settle") + '    at "2s" { fault.kill { on = "payments/1", ttl = "6s" } },\n' \
            '    expect.success { on = edge, atleast = "20%" },\n  },\n}\n'
        self.job("0b000006", lasting="14s", suite=kill, more=("--mode", "interpose", "--yes", "--allow", "kill"))
        self.started("0b000006")
        ours = (next(p["status"]["podIP"] for p in self.agents("0b000006") if p["metadata"]["labels"]["meshproof.io/role"] == "endpoint"), PORT)

        def refuses():
            try:
                socket.create_connection(ours, 2).close()
            except ConnectionRefusedError:
                return True
            return False

        wait_until("our endpoint to be dead", 30, refuses)
        need(ours in self.ready("payments"), "it left the Service")
        wait_until("our endpoint to be back", 30, lambda: not refuses())
        condition, pods = self.ended(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/meshproof-0b000006")
        need(self.message(pods[0])["exit"] in (0, 2), f"{self.message(pods[0])}\n{self.log(pods[0])[-4000:]}")
        self.clean("0b000006")
        self.as_before(before)
        need(sorted(self.ready("payments")) == reals, "a pod of the user is another")

    def case_interpose_swap(self):
        """interpose --swap: the selector is edited and taken back, PASS"""
        self.shop()
        before = self.client.get(SERVICE)
        self.verdict("0b000003", 0, **self.interposing(swap=True))
        self.as_before(before)

    def case_interpose_swap_killed(self):
        """interpose --swap: SIGKILL of the conductor: the guardian puts the selector back"""
        self.shop()
        before = self.client.get(SERVICE)
        self.job("0b000004", lasting="120s", **self.interposing(swap=True))
        pod = self.started("0b000004")
        need(self.client.get(SERVICE)["spec"]["selector"] != LABELS, "nothing was swapped")
        pod.signal(signal.SIGKILL)
        wait_until("the guardian", 60, lambda: not self.left("0b000004"))
        self.clean("0b000004")
        self.as_before(before)

    def case_interpose_rights(self):
        """interpose: without its role nothing is written, and the missing rules are printed"""
        self.shop()
        self.kubectl("delete", "-n", NAMESPACE, "rolebinding/meshproof-interpose")
        condition, pods = self.ended(self.job("0b000005", **self.interposing()))
        log = self.log(pods[0])
        need(all(self.message(p)["exit"] == 4 for p in pods) and "endpointslices" in log and "meshproof-interpose" in log, f"{log[-3000:]}")
        need(not self.left("0b000005"), "something was written")
        self.shop()

    def case_interpose_manifests(self):
        """interpose: every object of the overlay is accepted by the server, in a namespace that is there"""
        self.kubectl("create", "namespace", "shop", may_fail=True)
        self.kubectl("apply", "--dry-run=server", "--validate=strict", "-k", os.path.join(self.deploy, "interpose"))
