"""An API server that lives in this process, with what lives in a cluster: labels and resourceVersions, owners and their collection, a
kubelet that runs the agents' pods as local processes with an address each (127.0.0.N), readiness probes and gates, EndpointSlices. It
checks nothing of an object's schema: suites/selftest/kube does, with a real one."""
import base64, copy, http.server, json, os, re, signal, socket, ssl, subprocess, threading, time, urllib.parse

READY_S = 0.2
INDEX = "batch.kubernetes.io/job-completion-index"


def conditions(pod):
    return {c["type"]: c["status"] == "True" for c in pod.get("status", {}).get("conditions", [])}


def port_of(port, pods):
    """A name is looked up in the pods' own containers; without a targetPort it is the port."""
    target = port.get("targetPort", port["port"])
    named = [p["containerPort"] for pod in pods for c in pod["spec"].get("containers", []) for p in c.get("ports", []) if p["name"] == target]
    return target if isinstance(target, int) else (named or [0])[0]


class Pod:
    """The kubelet's side of one."""

    def __init__(self, api, pod):
        self.api, self.pod, self.child = api, pod, None
        self.ip = f"127.0.0.{10 + next(api.addresses)}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        meta, spec = self.pod["metadata"], self.pod["spec"]
        folder = os.path.join(self.api.folder, meta["uid"])
        os.makedirs(folder)
        container = spec["containers"][0]
        if container["image"] == "broken":
            self.say("Pending", {"waiting": {"reason": "ErrImagePull", "message": "not found"}}, False)
            return
        secret = self.api.objects[("secrets", spec["volumes"][0]["secret"]["secretName"])]
        psk = os.path.join(folder, "psk")
        with open(psk, "w") as file:
            file.write(secret["stringData"]["psk"])
        index = meta.get("annotations", {}).get(INDEX, "")
        words = [psk if word == "/run/meshproof/psk" else word.replace("0.0.0.0:", self.ip + ":").replace("$(JOB_COMPLETION_INDEX)", index)
                 for word in container["args"]]
        role = meta["labels"]["meshproof.io/role"]
        if role != "guardian":
            words += ["--health", self.ip + ":7402"]
        self.log = open(os.path.join(folder, "log"), "w")
        self.child = subprocess.Popen([self.api.program, *words], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                      env={"KUBECONFIG": self.api.kubeconfig, "PATH": os.environ["PATH"], "HOME": folder}, cwd=folder)
        while self.child.poll() is None:
            ready = role == "guardian" or role == "load" or self.listens()
            self.say("Running", {"running": {}}, ready)
            time.sleep(READY_S)
        code = self.child.returncode
        self.api.ended.append((meta["name"], code))
        self.say("Succeeded" if code == 0 else "Failed",
                 {"terminated": {"exitCode": code if code >= 0 else 128 - code, "reason": "Completed" if code == 0 else "Error"}}, False)
        with self.api.lock:
            if "deletionTimestamp" in meta and self.api.objects.get(("pods", meta["name"])) is self.pod:
                self.api.drop(("pods", meta["name"]))

    def listens(self):
        try:
            socket.create_connection((self.ip, 7402), 1).close()
            return True
        except OSError:
            return False

    def say(self, phase, state, ready):
        with self.api.lock:
            old = conditions(self.pod)
            gates = {g["conditionType"]: old.get(g["conditionType"], False) for g in self.pod["spec"].get("readinessGates", [])}
            now = {"PodScheduled": True, "ContainersReady": ready, "Ready": ready and all(gates.values()), **gates}
            self.pod["status"] = {"phase": phase, "podIP": self.ip.replace("127.0.0.", "10.77.0."), "conditions": [{"type": t, "status": str(s)} for t, s in now.items()],
                                  "containerStatuses": [{"name": "agent", "state": state}]}

    def stop(self):
        """As the kubelet does: SIGTERM, its grace, SIGKILL. False: nothing runs, the object may go."""
        if self.child is None or self.child.poll() is not None:
            return False
        if "deletionTimestamp" not in self.pod["metadata"]:
            self.pod["metadata"]["deletionTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.api.touch(self.pod)
            self.child.send_signal(signal.SIGTERM)
            threading.Timer(self.pod["spec"]["terminationGracePeriodSeconds"], self.child.kill).start()
        return True


class Api:
    def __init__(self, folder, program):
        self.folder, self.program, self.lock = folder, os.path.abspath(program), threading.RLock()
        self.objects, self.pods, self.version, self.calls, self.ended, self.rules = {}, {}, 0, [], [], []
        self.allowed = True  # whatever a SelfSubjectAccessReview asks
        self.events = []  # as they were posted
        self.ends = []  # called at the end
        self.says = {}  # resource: the status that a mesh's control plane writes at once
        self.balance = None  # a kube-proxy: name of a Service to its address (interpose/shop.py)
        self.told = []  # at each DELETE of an anchor: the termination message is there
        self.addresses, self.made, self.cluster_port = iter(range(1, 200)), [], 80
        self.put("namespaces", {"metadata": {"name": "meshproof", "labels": {"meshproof.io/allow": "canary"}}})
        keys = os.path.join(folder, "server")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keys + ".key",
                        "-out", keys + ".crt", "-days", "2", "-subj", "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(keys + ".crt", keys + ".key")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.server.daemon_threads = True
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.kubeconfig = os.path.join(folder, "kubeconfig")
        with open(self.kubeconfig, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "fake",
                       "clusters": [{"name": "fake", "cluster": {"server": f"https://127.0.0.1:{self.server.server_address[1]}",
                                                                 "certificate-authority": keys + ".crt"}}],
                       "users": [{"name": "fake", "user": {"token": "secret-of-the-test"}}],
                       "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "meshproof"}}]}, file)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def touch(self, thing):
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)

    def put(self, resource, thing):
        self.version += 1
        thing["metadata"]["uid"] = f"uid-{self.version}"
        thing["metadata"]["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.touch(thing)
        self.objects[(resource, thing["metadata"]["name"])] = thing
        self.made.append(f"{resource}/{thing['metadata']['name']}")
        if resource in self.says:
            thing["status"] = self.says[resource]
        if resource == "services" and self.balance:
            thing["spec"]["clusterIP"] = self.balance(thing["metadata"]["name"])
            thing["spec"]["ports"][0]["port"] = 9090
        elif resource == "services":
            thing["spec"]["clusterIP"] = "127.0.0.1"
            thing["spec"]["ports"][0]["port"] = self.cluster_port
        if resource == "pods":
            self.pods[thing["metadata"]["name"]] = Pod(self, thing)
        if resource == "jobs":
            self.make_indexed(thing)
        return thing

    def make_indexed(self, job):
        """As the Job controller does: a pod an index, with a name of chance. With backoffLimitPerIndex 0 none is made again."""
        meta, spec = job["metadata"], job["spec"]
        if spec["completionMode"] != "Indexed" or spec["backoffLimitPerIndex"] != 0 or spec["parallelism"] != spec["completions"]:
            raise AssertionError(f"{spec}")
        for index in range(spec["completions"]):
            template = copy.deepcopy(spec["template"])
            own = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
            told = {**template["metadata"].get("annotations", {}), INDEX: str(index)}
            self.put("pods", {"metadata": {**template["metadata"], "name": f"{meta['name']}-{index}-x{index * 7 % 5}z", "namespace": "meshproof",
                                           "annotations": told, "ownerReferences": [own]}, "spec": template["spec"]})

    def drop(self, key):
        """An object, and what it owned; a pod once its process has ended."""
        if key[0] == "pods":
            if self.pods[key[1]].stop():
                return
            self.pods.pop(key[1])
        gone = self.objects.pop(key)
        for other, thing in list(self.objects.items()):
            if any(o["uid"] == gone["metadata"]["uid"] for o in thing["metadata"].get("ownerReferences", [])) and other in self.objects:
                self.drop(other)

    def put_real(self, pod):
        """A pod that somebody else runs."""
        self.version += 1
        pod["metadata"]["uid"] = f"uid-{self.version}"
        self.touch(pod)
        self.objects[("pods", pod["metadata"]["name"])] = pod

    def ready_addresses(self, service):
        with self.lock:
            return [(e["addresses"][0].replace("10.77.0.", "127.0.0."), s["ports"][0]["port"]) for s in self.slices(service) for e in s["endpoints"] if e["conditions"]["ready"]]

    def slices(self, service):
        """Made by hand where the Service has no selector; else by its controller, who sends to the port that the Service names. Loopback has
        no place in them (trap 8): 10.77.0.N is how the cluster calls 127.0.0.N."""
        spec = self.objects.get(("services", service), {}).get("spec", {})
        selector = spec.get("selector")
        if not selector:
            return [o for (kind, _), o in self.objects.items() if kind == "endpointslices"
                    and o["metadata"]["labels"]["kubernetes.io/service-name"] == service]
        port = spec["ports"][0]
        ours = [p for (kind, _), p in self.objects.items()
                if kind == "pods" and selector.items() <= p["metadata"]["labels"].items() and "status" in p
                and "deletionTimestamp" not in p["metadata"]]
        return [{"metadata": {"name": service + "-x", "labels": {"kubernetes.io/service-name": service}}, "addressType": "IPv4",
                 "ports": [{"name": port.get("name", ""), "port": port_of(port, ours)}],
                 "endpoints": [{"addresses": [p["status"]["podIP"].replace("127.0.0.", "10.77.0.")], "conditions": {"ready": conditions(p).get("Ready", False)},
                                "targetRef": {"kind": "Pod", "name": p["metadata"]["name"], "uid": p["metadata"]["uid"]}} for p in ours]}]

    def owned(self, run):
        return sorted(f"{kind}/{name}" for (kind, name), o in self.objects.items() if o["metadata"].get("labels", {}).get("meshproof.io/run") == run
                      and not name.endswith("-result"))

    def stop(self):
        self.server.shutdown()
        for end in self.ends:
            end()
        for pod in list(self.pods.values()):
            if pod.child is not None and pod.child.poll() is None:
                pod.child.kill()
                pod.child.wait()


def selected(thing, selector):
    labels = thing["metadata"].get("labels", {})
    for part in re.findall(r"[^,(]+(?:\([^)]*\))?", selector):
        some = re.fullmatch(r"(\S+) in \((.*)\)", part)
        key, _, value = part.partition("=")
        if some and labels.get(some[1]) not in some[2].split(","):
            return False
        if not some and (key not in labels or ("=" in part and labels[key] != value)):
            return False
    return True


def merge(to, patch):
    for key, value in patch.items():
        if value is None:
            to.pop(key, None)
        elif isinstance(value, dict) and isinstance(to.get(key), dict):
            merge(to[key], value)
        else:
            to[key] = value


def handler(api):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def say(self, code, body):
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def refuse(self, code, reason, text, resource="", name=""):
            self.say(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": text, "code": code,
                            "details": {"kind": resource, "name": name}})

        def missing(self, resource, name):
            self.refuse(404, "NotFound", f"{resource} \"{name}\" not found", resource, name)

        def serve(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path, _, query = self.path.partition("?")
            asked = dict(urllib.parse.parse_qsl(query))
            with api.lock:
                api.calls.append((self.command, path, asked))
                for verb, part, answer in api.rules:
                    if self.command == verb and part in path + json.dumps(body or "") and "dryRun" not in asked:
                        return self.refuse(*answer)
                return self.answer(path, asked, body)

        def answer(self, path, asked, body):
            if path == "/version":
                return self.say(200, {"gitVersion": "v1.37.2"})
            if "selfsubjectaccessreviews" in path or "selfsubjectrulesreviews" in path:
                return self.say(201, {**body, "status": {"allowed": api.allowed, "resourceRules": [], "incomplete": True}})
            found = re.fullmatch(r"/(?:api/v1|apis/([^/]+)/[^/]+)(?:/namespaces/meshproof)?/([a-z]+)(?:/([^/]+))?(?:/(status))?", path)
            if path == "/api/v1/namespaces/meshproof":
                return self.say(200, api.objects[("namespaces", "meshproof")])
            if not found or found[1] in ("security.istio.io", "policy.linkerd.io", "linkerd.io",
                                         "gateway.networking.k8s.io", "gateway.networking.x-k8s.io"):
                self.send_response(404)
                self.send_header("Content-Length", "19")
                self.end_headers()
                return self.wfile.write(b"404 page not found\n")
            return getattr(self, self.command.lower())(found[2], found[3], asked, body)

        def get(self, resource, name, asked, _):
            if name is not None:
                thing = api.objects.get((resource, name))
                return self.say(200, thing) if thing else self.missing(resource, name)
            selector = asked.get("labelSelector", "")
            if resource == "endpointslices":
                services = [selector.split("=")[1]] if selector else [name for kind, name in api.objects if kind == "services"]
                return self.say(200, {"items": [s for service in services for s in api.slices(service)]})
            return self.say(200, {"items": [o for (kind, _), o in api.objects.items() if kind == resource and selected(o, selector)]})

        def post(self, resource, _, asked, body):
            if resource == "events":
                api.events.append(body)
                return self.say(201, body)
            if (resource, body["metadata"]["name"]) in api.objects:
                return self.refuse(409, "AlreadyExists", f"{resource} \"{body['metadata']['name']}\" already exists")
            if any(a.startswith("127.") for e in body.get("endpoints", []) for a in e["addresses"]):
                return self.refuse(422, "Invalid", "endpoints[0].addresses[0]: may not be in the loopback range")
            if "dryRun" in asked:
                answer = copy.deepcopy({**body, "metadata": {**body["metadata"], "uid": "dry"}})
                if body["metadata"].get("labels", {}).get("sidecar.istio.io/inject") == "true":
                    answer["spec"]["containers"].append({"name": "istio-proxy", "image": "proxyv2"})
                    answer["metadata"].setdefault("annotations", {})["sidecar.istio.io/status"] = "{}"
                return self.say(201, answer)
            return self.say(201, api.put(resource, copy.deepcopy(body)))

        def there(self, resource, name, version):
            thing = api.objects.get((resource, name))
            if thing is None:
                self.missing(resource, name)
            elif version not in (None, thing["metadata"]["resourceVersion"]):
                self.refuse(409, "Conflict", "the object has been modified")
                thing = None
            return thing

        def patch(self, resource, name, asked, body):
            thing = self.there(resource, name, body.get("metadata", {}).get("resourceVersion"))
            if thing is None:
                return None
            if "dryRun" in asked:
                thing = copy.deepcopy(thing)
                merge(thing, body)
                return self.say(200, thing)
            if "strategic" in self.headers["Content-Type"]:
                for condition in body["status"]["conditions"]:
                    listed = thing.setdefault("status", {}).setdefault("conditions", [])
                    listed[:] = [c for c in listed if c["type"] != condition["type"]] + [condition]
            else:
                merge(thing, body)
            api.touch(thing)
            return self.say(200, thing)

        def put(self, resource, name, _, body):
            thing = self.there(resource, name, body["metadata"].get("resourceVersion"))
            if thing is None:
                return None
            thing["spec"] = body["spec"]
            api.touch(thing)
            return self.say(200, thing)

        def delete(self, resource, name, _, body):
            wanted = (body or {}).get("preconditions", {})
            thing = self.there(resource, name, wanted.get("resourceVersion"))
            if thing is None:
                return None
            if "uid" not in wanted:
                return self.refuse(400, "BadRequest", "the test wants a uid with each DELETE (trap 9)")
            if wanted["uid"] != thing["metadata"]["uid"]:
                return self.refuse(409, "Conflict", "another uid")
            if resource == "configmaps":
                api.told.append(os.path.exists(os.path.join(api.folder, "message")))
            api.drop((resource, name))
            return self.say(200, thing)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve

        def log_message(self, *_):
            pass

        def handle(self):
            try:
                super().handle()
            except OSError:
                pass  # the client was killed

    return Handler
