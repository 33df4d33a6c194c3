"""Runs with --on kubernetes --mode canary: the conductor's Job makes its agents as pods, and takes all away again. No mesh: the builtin
one is played in the load pod (spec/kubernetes.md section 3, case 4)."""
import http.client, json, os, secrets, signal, subprocess

import cluster
from cluster import wait_until

NAMESPACE = "meshproof"
BASE = f"/api/v1/namespaces/{NAMESPACE}"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/meshproof-payments"
SUITE = """local edge = "client -> payments"
return scenario "one in five fails whatever is tried" {
  mesh = mesh.istio { policy = "policy.yaml", version = "1.31" },
  lab = lab { service "payments" { endpoints = 2, work = "0ms" } },
  load = load.open { on = edge, rate = "50/s", warmup = "500ms" },
  settle = "0ms",
  phase "all tries of some fail" {
    lasting = "@LASTING@",
    fault.abort { on = "payments", status = 503, share = "20%" },
    expect.retries { on = edge, only = { "atmost" } },
  },
}
"""
POLICY = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: payments}
spec:
  hosts: [payments]
  http:
  - retries: {attempts: 2, perTryTimeout: 10s, retryOn: "503,reset,connect-failure"}
    route:
    - destination: {host: payments}
"""


def need(so, text):
    if not so:
        raise AssertionError(text)


class Cases:
    def meshproof(self, *words, within=120):
        """The program on this machine, with the cluster's kubeconfig."""
        program = os.environ.get("MESHPROOF") or os.path.join(self.image, "usr/local/bin/meshproof")
        env = {k: v for k, v in os.environ.items() if not k.startswith("MESHPROOF_")}
        done = subprocess.run([program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=within, cwd=self.work,
                              env={**env, "KUBECONFIG": self.cluster.kubeconfig, "HOME": self.work})
        return done.returncode, done.stdout, done.stderr

    def rights(self):
        """The overlay, once: and what it opens."""
        self.kubectl("apply", "-k", os.path.join(self.deploy, "canary"))
        labels = self.client.get(f"/api/v1/namespaces/{NAMESPACE}")["metadata"]["labels"]
        need(labels["pod-security.kubernetes.io/enforce"] == "restricted", f"{labels}")

    def manifests(self, run, suite, lasting, *more, namespace=NAMESPACE):
        """What run --as-manifests prints of the suite, with the policy beside it."""
        folder = os.path.join(self.work, run)
        os.makedirs(folder, exist_ok=True)
        for name, text in (("suite.lua", suite.replace("@LASTING@", lasting)), ("policy.yaml", POLICY)):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        code, out, said = self.meshproof("run", f"{run}/suite.lua", "--on", "kubernetes", "-n", namespace, "--run", run, "--driver", "builtin",
                                         "--as-manifests", "--image", self.IMAGE, *more)
        need(code == 0, f"--as-manifests {' '.join(more)}: exit {code}: {said}")
        return out

    def job(self, run, lasting="6s", suite=SUITE, more=()):
        """run --as-manifests --job, applied: the Job's path."""
        self.kubectl("apply", "--validate=strict", "-f", "-", text=self.manifests(run, suite, lasting, "--job", *more))
        return f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/meshproof-{run}"

    def ended(self, path, within=240):
        """The Job's condition once it has one, and its pod's message."""
        def look():
            need(not self.runner.broken, f"{self.runner.broken}")
            self.cluster.alive()
            return [c for c in self.client.get(path).get("status", {}).get("conditions") or []
                    if c["status"] == "True" and c["type"] in ("Complete", "Failed")]
        condition = wait_until("the Job's end", within, look)[0]
        return condition, self.pods_of(path)

    def pods_of(self, path):
        name = path.rsplit("/", 1)[1]
        return self.client.get(f"{BASE}/pods?labelSelector=job-name%3D{name}")["items"]

    def message(self, pod):
        return json.loads(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"])

    def log(self, pod):
        path = os.path.join(self.runner.folder, pod["metadata"]["uid"], "log")
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def left(self, run):
        """Objects that the run owned, and are there."""
        found = []
        for resource in ("pods", "services", "configmaps", "secrets"):
            for item in self.client.get(f"{BASE}/{resource}?labelSelector=meshproof.io%2Frun%3D{run}")["items"]:
                owners = [o["kind"] for o in item["metadata"].get("ownerReferences", [])]
                if "ConfigMap" in owners or item["metadata"]["name"] == f"mp-{run}":
                    found.append(f"{resource}/{item['metadata']['name']}")
        return found

    def agents(self, run):
        return [p for p in self.client.get(f"{BASE}/pods?labelSelector=meshproof.io%2Frun%3D{run}")["items"]
                if p["metadata"]["labels"].get("meshproof.io/role") in ("endpoint", "load")]

    def result(self, run):
        found = self.client.find(f"{BASE}/configmaps/mp-{run}-result")
        return found["data"] if found else None

    def started(self, run):
        """Its first fault is armed: the conductor's pod."""
        def look():
            need(not self.runner.broken, f"{self.runner.broken}")
            for pod in list(self.runner.pods.values()):
                if pod.meta["labels"].get("meshproof.io/role") == "conductor" and pod.meta["labels"].get("meshproof.io/run") == run:
                    if os.path.exists(pod.log) and "armed " in open(pod.log, errors="replace").read():
                        return pod
            for path in (f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/meshproof-{run}",):
                for condition in self.client.get(path).get("status", {}).get("conditions") or []:
                    need(condition["type"] != "Failed", f"{condition}\n{[self.log(p)[-3000:] for p in self.pods_of(path)]}")
            return None
        return wait_until("the first fault", 120, look)

    def clean(self, run):
        wait_until(f"all of {run} to go", 30, lambda: not self.left(run))
        need(self.client.find(LEASE) is None, f"the Lease is left: {self.client.find(LEASE)}")

    def verdict(self, run, wanted, **how):
        """A Job to its verdict; an INCONCLUSIVE of a busy machine is tried once more."""
        for attempt in range(2):
            path = self.job(run, **how)
            condition, pods = self.ended(path)
            message = self.message(pods[0])
            if message["exit"] == wanted or message["exit"] != 2:
                break
            print("    INCONCLUSIVE: this machine is busy; once more")
            self.kubectl("delete", "-n", NAMESPACE, f"job/meshproof-{run}", "--cascade=foreground", "--timeout=60s")
        need(message["exit"] == wanted, f"exit {message['exit']}, not {wanted}: {message}\n{self.log(pods[0])[-4000:]}")
        need(len(pods) == 1, f"{len(pods)} pods")
        self.clean(run)
        return condition, message

    # ---- cases

    def case_canary_pass(self):
        """canary: Job -> anchor -> pods that dial in -> PASS; the result stays, all else goes"""
        self.rights()
        condition, message = self.verdict("0a000001", 0)
        need(condition["type"] == "Complete", f"{condition}")
        need(self.result("0a000001")["verdict"] == "PASS", f"{self.result('0a000001')}")
        print("    message:", json.dumps(message))

    def case_canary_indexed(self):
        """canary: 21 agents are two Indexed Jobs of the cluster's own controller: one that is lost is not made again, and all goes by the anchor's DELETE"""
        self.rights()
        self.job("0a000011", lasting="40s", suite=SUITE.replace("endpoints = 2", "endpoints = 20"))
        self.started("0a000011")
        jobs = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs?labelSelector=meshproof.io%2Frun%3D0a000011"
        own = {j["metadata"]["name"]: j for j in self.client.get(jobs)["items"] if j["metadata"]["name"].startswith("mp-")}
        need(set(own) == {"mp-0a000011-payments", "mp-0a000011-load"}, f"{list(own)}")
        need(own["mp-0a000011-payments"]["spec"]["backoffLimitPerIndex"] == 0, f"{own['mp-0a000011-payments']['spec']}")
        made = {p["metadata"]["name"] for p in self.agents("0a000011")}
        need(len(made) == 21 and all(p["metadata"]["ownerReferences"][0]["kind"] == "Job" for p in self.agents("0a000011")), f"{made}")
        # one that fails is never made again, and the others go on
        lost = next(p for p in list(self.runner.pods.values()) if p.meta["name"].startswith("mp-0a000011-payments-7-"))
        lost.signal(signal.SIGKILL)
        wait_until("the index to have failed", 60, lambda: self.client.get(jobs.split("?")[0] + "/mp-0a000011-payments")["status"].get("failedIndexes") == "7")
        condition, pods = self.ended(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/meshproof-0a000011")
        message = self.message(pods[0])
        need(message["exit"] == 2 and "payments/8 was lost" in self.log(pods[0]), f"{message}\n{self.log(pods[0])[-4000:]}")
        need({name for name, _, _ in self.runner.ended if name.startswith(("mp-0a000011-payments", "mp-0a000011-load"))} <= made, f"{self.runner.ended}")
        self.clean("0a000011")
        need(not [j for j in self.client.get(jobs)["items"] if j["metadata"]["name"].startswith("mp-")] and not self.agents("0a000011"), "left")

    def case_canary_ports(self):
        """canary: --endpoints ports: without its role nothing is written; with it, three slices of one pod and a Service without a selector"""
        self.rights()
        path = self.job("0a000012", more=("--endpoints", "ports"))
        condition, pods = self.ended(path)
        need(all(self.message(p)["exit"] == 4 for p in pods) and "resources: [endpointslices], verbs: [create, delete]" in self.log(pods[0]),
             f"{self.log(pods[0])[-3000:]}")
        need(not self.left("0a000012"), "something was written")
        self.kubectl("apply", "-f", os.path.join(self.deploy, "roles", "ports", "role.yaml"))
        self.job("0a000013", lasting="20s", suite=SUITE.replace("endpoints = 2", "endpoints = 3"), more=("--endpoints", "ports"))
        self.started("0a000013")
        need(len(self.agents("0a000013")) == 2, f"{self.agents('0a000013')}")
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dmp-0a000013-payments"
        found = self.client.get(slices)["items"]
        ip = next(p["status"]["podIP"] for p in self.agents("0a000013") if p["metadata"]["labels"]["meshproof.io/role"] == "endpoint")
        need(sorted((s["ports"][0]["port"], s["endpoints"][0]["addresses"]) for s in found) == [(8080 + n, [ip]) for n in range(3)], f"{found}")
        condition, pods = self.ended(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/meshproof-0a000013")
        need(self.message(pods[0])["exit"] in (0, 2), f"{self.message(pods[0])}\n{self.log(pods[0])[-4000:]}")
        self.clean("0a000013")
        need(not self.client.get(slices)["items"], "a slice is left")
        self.kubectl("delete", "-f", os.path.join(self.deploy, "roles", "ports", "role.yaml"))

    def case_canary_kill(self):
        """canary: fault.kill of an endpoint, under restricted Pod Security: its backend dies and is back, the pod stays as it is"""
        self.rights()
        head = SUITE.split("    fault.abort")[0].replace("endpoints = 2", "endpoints = 3")
        kill = head + '    at "1s" { fault.kill { on = "payments/2", ttl = "2s" } },\n    expect.success { on = edge, atleast = "95%" },\n  },\n}\n'
        condition, message = self.verdict("0a000014", 0, suite=kill, lasting="14s")
        need(condition["type"] == "Complete", f"{condition}")
        ended = [(name, code) for name, code, _ in self.runner.ended if name.startswith("mp-0a000014-payments")]
        need(sorted(ended) == [(f"mp-0a000014-payments-{n}", 0) for n in (1, 2, 3)], f"{ended}")

    def case_canary_stopped(self):
        """canary: fault.pause and fault.restart of endpoints, under restricted Pod Security: the pods stay as they are"""
        self.rights()
        head = SUITE.split("    fault.abort")[0].replace("endpoints = 2", "endpoints = 3")
        both = head + '    at "1s" { fault.pause { on = "payments/2", ttl = "2s" }, fault.restart { on = "payments/3", down = "1s" } },\n' \
            '    expect.success { on = edge, atleast = "60%" },\n  },\n}\n'
        condition, message = self.verdict("0a000015", 0, suite=both, lasting="14s")
        need(condition["type"] == "Complete", f"{condition}")
        ended = [(name, code) for name, code, _ in self.runner.ended if name.startswith("mp-0a000015-payments")]
        need(sorted(ended) == [(f"mp-0a000015-payments-{n}", 0) for n in (1, 2, 3)], f"{ended}")

    def case_canary_fail(self):
        """canary: a mesh that retries once more than its policy says: exit 1 in the Job's condition"""
        self.rights()
        condition, message = self.verdict("0a000002", 1, more=("--defect", "one_retry_more"))
        need("failed with exit code 1" in condition["message"] and message["fail"] > 0, f"{condition} {message}")
        need(self.result("0a000002")["verdict"] == "FAIL", f"{self.result('0a000002')}")
        print("    condition:", condition["message"])

    def case_canary_inconclusive(self):
        """canary: a fault that never fires: exit 2 in the Job's condition"""
        self.rights()
        never = SUITE.replace('status = 503, share = "20%"', 'status = 503, first = 1, match = { method = "POST" }').replace('"atmost"', '"happen"')
        condition, _ = self.verdict("0a000003", 2, suite=never)
        need("failed with exit code 2" in condition["message"], f"{condition}")

    def case_canary_deleted(self):
        """canary: a Job deleted while it runs: everything goes, the Lease too"""
        self.rights()
        self.job("0a000004", lasting="120s")
        self.started("0a000004")
        need(len(self.agents("0a000004")) == 3, f"{self.agents('0a000004')}")
        self.kubectl("delete", "-n", NAMESPACE, "job/meshproof-0a000004", "--cascade=foreground", "--timeout=100s")
        self.clean("0a000004")

    def case_canary_killed(self):
        """canary: SIGKILL of the conductor: its agents leave the mesh, the guardian takes all away, the Lease too, and says so"""
        self.rights()
        job = self.job("0a000005", lasting="120s")
        pod = self.started("0a000005")
        endpoints = [p for p in list(self.runner.pods.values())
                     if p.meta["labels"].get("meshproof.io/role") == "endpoint" and p.meta["labels"].get("meshproof.io/run") == "0a000005"]
        need(len(endpoints) == 2 and all(p.ready for p in endpoints), f"{[(p.meta['name'], p.ready) for p in endpoints]}")
        guardian = next(p for p in list(self.runner.pods.values()) if p.meta["name"] == "mp-0a000005-guardian")
        pod.signal(signal.SIGKILL)
        # nobody tells them to: the channel has ended, and 2 s later the health port is closed
        wait_until("the endpoints to leave", 12, lambda: not any(p.ready for p in endpoints))
        need(all(p.child.poll() is None and not p.stopping.is_set() for p in endpoints), "they left because they were ended")
        wait_until("the guardian", 60, lambda: not self.left("0a000005"))
        self.clean("0a000005")
        need("the conductor's channel has ended, and its Lease stands still" in open(guardian.log).read(), open(guardian.log).read())
        need([code for name, code, _ in self.runner.ended if name == "mp-0a000005-guardian"] == [0], f"{self.runner.ended}")
        condition, _ = self.ended(job)
        need("failed with exit code 137" in condition["message"], f"{condition}")
        need(self.result("0a000005")["why"] == "conductor lost", f"{self.result('0a000005')}")
        code, out, said = self.meshproof("recover", "--on", "kubernetes", "-n", NAMESPACE, "--run", "0a000005", "--insecure")
        need(code == 0 and "nothing of run 0a000005 is left" in out, f"recover: exit {code} {out} {said}")

    def case_canary_contended(self):
        """canary: a second run of the same service is refused at once by the Lease; recover leaves the first alone; halt ends it"""
        self.rights()
        self.job("0a000006", lasting="120s")
        self.started("0a000006")
        path = self.job("0a000007")
        condition, pods = self.ended(path)
        need(all(self.message(p)["exit"] == 4 and "0a000006" in self.message(p)["first"] for p in pods), f"{[self.message(p) for p in pods]}")
        need(not self.left("0a000007") and self.left("0a000006"), "the second run touched something")
        code, out, said = self.meshproof("recover", "--on", "kubernetes", "-n", NAMESPACE, "--run", "0a000006", "--insecure")
        need(code == 4 and "goes on" in out, f"recover of a live run: exit {code} {out} {said}")
        code, out, said = self.meshproof("halt", "0a000006", "--on", "kubernetes", "-n", NAMESPACE, "--insecure")
        need(code == 0 and "halted" in out, f"halt: exit {code} {out} {said}")
        condition, pods = self.ended(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/meshproof-0a000006")
        need("exit code 3" in condition["message"], f"{condition}")
        self.clean("0a000006")

    def case_canary_rights(self):
        """canary: without its Role nothing is written, and the missing rule is printed; plan says the same from outside"""
        self.rights()
        self.kubectl("delete", "-n", NAMESPACE, "rolebinding/meshproof-canary")
        path = self.job("0a000008")
        condition, pods = self.ended(path)
        log = self.log(pods[0])
        need(all(self.message(p)["exit"] == 4 for p in pods) and "apiGroups" in log, f"{log[-3000:]}")
        need(not self.left("0a000008"), "something was written")
        self.rights()

    def serving(self, token):
        """harness/deploy/serve as a user applies it, but for who plays the mesh: its pod's address once it is ready."""
        self.kubectl("create", "secret", "generic", "meshproof-serve", "-n", NAMESPACE, f"--from-literal=token={token}")
        self.kubectl("create", "configmap", "meshproof-suites", "-n", NAMESPACE,
                     "--from-literal=suite.lua=" + SUITE.replace('"@LASTING@"', 'param "lasting" { default = "6s" }'), "--from-literal=policy.yaml=" + POLICY)
        _, text = self.kubectl("kustomize", os.path.join(self.deploy, "serve"))
        played = text.replace("        - name: TMPDIR\n", "        - name: MESHPROOF_DRIVER\n          value: builtin\n        - name: TMPDIR\n")
        need(played != text, f"serve's environment is another:\n{text}")
        self.kubectl("apply", "--validate=strict", "-f", "-", text=played)

        def look():
            need(not self.runner.broken, f"{self.runner.broken}")
            ready = [p for p in list(self.runner.pods.values()) if p.meta["labels"].get("meshproof.io/role") == "serve" and p.ready]
            return ready[0] if ready else None
        return wait_until("serve to be ready", 90, look)

    def asked(self, pod, token, path, body=None):
        caller = http.client.HTTPConnection(pod.ip, 7480, timeout=120)
        caller.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body),
                       {"Authorization": f"Bearer {token}"})
        answer = caller.getresponse()
        return answer.status, json.loads(answer.read())

    def case_canary_serve(self):
        """canary: serve in a pod: a webhook's gate runs on the cluster to PASS, the latest verdict is told, and a run ends with its Deployment"""
        self.rights()
        token = secrets.token_hex(16)
        pod = self.serving(token)
        ask = lambda *words: self.asked(pod, token, *words)
        need(self.asked(pod, "another", "/v1/verdict/latest")[0] in (401, 403), "another token is taken")

        def gate(wanted, **more):
            body = {"suite": "suite.lua", "mode": "canary", "set": {"lasting": "6s"}, **more}
            for attempt in range(2):
                code, told = wait_until("the gate", 240, lambda: (lambda got: got if got[0] != 425 else None)(
                    ask("/v1/gate", {"name": "payments", "namespace": "shop", "phase": "Progressing", "metadata": body})))
                if told.get("verdict") != "INCONCLUSIVE":
                    break
                print("    INCONCLUSIVE: this machine is busy; once more")
            need(told.get("verdict") == wanted, f"{code} {told}\n{open(pod.log, errors='replace').read()[-3000:]}")
            self.clean(told["run"])
            return code, told
        code, told = gate("PASS")
        need(code == 200 and self.result(told["run"])["verdict"] == "PASS", f"{code} {told}")
        code, latest = ask("/v1/verdict/latest")
        need((code, latest["run"], latest["verdict"]) == (200, told["run"], "PASS"), f"latest: {code} {latest}")
        print("    told:", json.dumps(latest))
        code, told = ask("/v1/run", {"suite": "suite.lua", "mode": "canary", "set": {"lasting": "120s"}})
        need(code == 202, f"run: {code} {told}")
        wait_until("its agents", 90, lambda: len(self.agents(told["run"])) == 3)
        self.kubectl("delete", "-n", NAMESPACE, "deployment/meshproof-serve", "--cascade=foreground", "--timeout=100s")
        self.clean(told["run"])
        need(not [p for p in list(self.runner.pods.values()) if p.meta["labels"].get("meshproof.io/run") == told["run"]], "a pod is left")
        self.kubectl("delete", "-n", NAMESPACE, "secret/meshproof-serve", "configmap/meshproof-suites", "service/meshproof-serve",
                     "networkpolicy/meshproof-serve")

    def case_canary_netem(self):
        """canary: netem-canary is accepted whole; endpoint pods with NET_ADMIN are made there, nowhere else, and with nothing of the node's"""
        self.rights()
        away = "meshproof-netem"
        _, text = self.kubectl("kustomize", os.path.join(self.deploy, "netem-canary"))
        parts = text.split("---\n")
        jobs = [part for part in parts if "\nkind: Job\n" in part]
        need(len(jobs) == 1 and "- --netem-agents" in jobs[0], text)
        self.kubectl("apply", "--validate=strict", "-f", "-", text="---\n".join(part for part in parts if part not in jobs))
        self.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", text=jobs[0])
        late = SUITE.replace('fault.abort { on = "payments", status = 503, share = "20%" }', 'fault.netem { on = "payments/1", delay = "50ms" }')
        out = self.manifests("0a000016", late, "6s", "--netem-agents", namespace=away)
        pods = [part for part in out.split("---\n") if "\nkind: Pod\n" in "\n" + part]
        endpoints = [part for part in pods if "meshproof.io/role: endpoint" in part]
        need(len(endpoints) == 2 and all("NET_ADMIN" in part for part in endpoints), out)
        need(not [part for part in pods if "NET_ADMIN" in part and part not in endpoints], out)

        def make(text, namespace=away):
            return self.kubectl("create", "--dry-run=server", "--validate=strict", f"--as=system:serviceaccount:{namespace}:meshproof-conductor", "-f", "-",
                                text=text.replace(f"namespace: {away}", f"namespace: {namespace}"), may_fail=True)
        # a policy holds a moment after it is made
        wait_until("the admission policy", 60, lambda: make(endpoints[0].replace("image: registry.example/meshproof", "image: registry.example/other"))[0] != 0)
        for text in pods:
            code, out = make(text)
            need(code == 0, f"{out}\n{text}")
        code, out = make(endpoints[0], NAMESPACE)
        need(code != 0 and "violates PodSecurity" in out and "NET_ADMIN" in out, f"restricted: {out}")
        spec = "\nspec:\n"
        for why, right, wrong in (("nothing of the node's", spec, spec + "  hostPID: true\n"), ("nothing of the node's", spec, spec + "  hostNetwork: true\n"),
                                  ("and nothing more", "NET_ADMIN", "SYS_ADMIN"), ("and nothing more", "role: endpoint", "role: load"),
                                  ("its own image", spec, spec + "  initContainers:\n  - {name: first, image: registry.example/meshproof}\n")):
            need(right in endpoints[0], f"{right} is not in\n{endpoints[0]}")
            code, out = make(endpoints[0].replace(right, wrong))
            need(code != 0 and why in out, f"{wrong} is accepted: {out}")
        self.kubectl("delete", "namespace", away, "--timeout=60s")
