"""What a node does for the tests' pods: runs the containers of pods that were bound to it as local processes, each pod in a
network namespace with one address, each container in the files of its image, and tells the API server how they went.

Done: one node with its Lease; one container a pod, args with $(VAR), env by value, fieldRef and secretKeyRef, volumes configMap (with the
links that a kubelet makes), secret, projected (a token bound to the pod, configMap, downward API) and emptyDir, read-only root, uid
and gid, no capabilities, no new privileges, PID 1 of its own, tcpSocket readiness probes, readiness gates,
termination message with its fallback to the log, SIGTERM, grace, SIGKILL, the final DELETE, kubectl logs. Refused: all else.
Not done: images are folders given by the caller; limits, other probes, init containers, restarts (Always is as Never), Services (no kube-proxy, no DNS)."""
import base64, ctypes, http.server, json, os, re, shutil, signal, socket, ssl, subprocess, sys, threading, time

from cluster import ADDRESS, Refused

NODE = "runner"
LOG_TAIL_BYTES, LOG_TAIL_LINES, MESSAGE_BYTES = 2048, 80, 4096


def now(micro=False):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + (".000000Z" if micro else "Z")


def must(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout.strip()}")


class Pod:
    def __init__(self, runner, pod, ip):
        self.runner, self.pod, self.ip = runner, pod, ip
        self.meta, self.spec = pod["metadata"], pod["spec"]
        self.container = self.spec["containers"][0]
        self.path = f"/api/v1/namespaces/{self.meta['namespace']}/pods/{self.meta['name']}"
        self.folder = os.path.join(runner.folder, self.meta["uid"])
        self.netns = "mp-" + self.meta["uid"][:8]
        self.child, self.killed, self.stopping, self.ready, self.shown = None, False, threading.Event(), False, None
        self.saying = threading.Lock()
        self.gates = {g["conditionType"]: False for g in self.spec.get("readinessGates", [])}
        self.probe = self.container.get("readinessProbe")
        self.log, self.message = os.path.join(self.folder, "log"), os.path.join(self.folder, "message")

    def refuse(self):
        """What this runner cannot do is said, not left out."""
        security = self.container.get("securityContext", {})
        wrong = [("containers", len(self.spec["containers"]) != 1), ("initContainers", self.spec.get("initContainers")),
                 ("hostNetwork", self.spec.get("hostNetwork")),
                 ("restartPolicy", self.spec.get("restartPolicy") not in ("Never", "Always")), ("command", self.container.get("command")),
                 ("capabilities", security.get("capabilities", {}).get("add")), ("runAsUser", not self.uid()),
                 ("readinessProbe", self.probe and set(self.probe) - {"tcpSocket", "periodSeconds", "failureThreshold", "timeoutSeconds",
                                                                      "successThreshold"}),
                 ("image", self.container["image"] not in self.runner.images)]
        for name, is_wrong in wrong:
            if is_wrong:
                raise AssertionError(f"pod {self.meta['name']}: the runner does not know its {name}")

    def uid(self):
        return self.container.get("securityContext", {}).get("runAsUser", self.spec.get("securityContext", {}).get("runAsUser", 0))

    def status(self, phase, state, ready):
        whole = ready and all(self.gates.values())
        so = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": whole}
        conditions = [{"type": kind, "status": str(value), "lastTransitionTime": now()} for kind, value in so.items()]
        body = {"metadata": {"uid": self.meta["uid"]},
                "status": {"phase": phase, "hostIP": ADDRESS, "podIP": self.ip, "podIPs": [{"ip": self.ip}], "startTime": self.started,
                           "conditions": conditions,
                           "containerStatuses": [{"name": self.container["name"], "image": self.container["image"], "imageID": "folder",
                                                  "ready": ready, "started": ready,
                                                  "restartCount": 0, "state": state}]}}
        self.runner.client.merge(self.path + "/status", body)

    def show(self):
        """Running, and as ready as the probe and the gates say; only when that has changed."""
        with self.saying:
            is_new, self.shown = self.shown != (self.ready, all(self.gates.values())), (self.ready, all(self.gates.values()))
            if is_new and self.child is not None and self.child.poll() is None:
                try:
                    self.status("Running", {"running": {"startedAt": self.started}}, self.ready)
                except Refused as why:
                    if why.code not in (404, 409):
                        raise

    def changed(self, pod):
        """Somebody has opened or closed a gate."""
        for condition in pod.get("status", {}).get("conditions") or []:
            if condition["type"] in self.gates:
                self.gates[condition["type"]] = condition["status"] == "True"
        self.show()

    def keep_probing(self):
        port = self.probe["tcpSocket"]["port"]
        if isinstance(port, str):
            port = next(p["containerPort"] for p in self.container["ports"] if p["name"] == port)
        while self.child.poll() is None:
            try:
                socket.create_connection((self.ip, port), 1).close()
                self.ready = True
            except OSError:
                self.ready = False
            self.show()
            self.stopping.wait(self.probe.get("periodSeconds", 10))

    def field(self, path):
        values = {"metadata.name": self.meta["name"], "metadata.namespace": self.meta["namespace"], "metadata.uid": self.meta["uid"],
                  "status.podIP": self.ip,
                  "spec.nodeName": NODE}
        one = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
        return self.meta.get(one[1], {}).get(one[2], "") if one else values[path]

    def environment(self):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOSTNAME": self.meta["name"], "KUBERNETES_SERVICE_HOST": ADDRESS,
               "KUBERNETES_SERVICE_PORT": "6443"}
        for row in self.container.get("env", []):
            given = row.get("valueFrom", {})
            if "fieldRef" in given:
                env[row["name"]] = self.field(given["fieldRef"]["fieldPath"])
            elif "secretKeyRef" in given:
                env[row["name"]] = self.secret(given["secretKeyRef"]["name"])[given["secretKeyRef"]["key"]]
            else:
                env[row["name"]] = expand(row.get("value", ""), env)
        return env

    def secret(self, name):
        return {k: base64.b64decode(v).decode() for k, v in self.object("secrets", name)["data"].items()}

    def object(self, resource, name):
        return self.runner.client.get(f"/api/v1/namespaces/{self.meta['namespace']}/{resource}/{name}")

    def token(self, wanted):
        account = self.spec.get("serviceAccountName", "default")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": wanted.get("expirationSeconds", 3600),
                         "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": self.meta["name"], "uid": self.meta["uid"]}}}
        return self.runner.client.call("POST", f"/api/v1/namespaces/{self.meta['namespace']}/serviceaccounts/{account}/token", body)["status"]["token"]

    def data_of(self, volume):
        """The files of a volume: name -> text."""
        if "configMap" in volume:
            return self.object("configmaps", volume["configMap"]["name"])["data"]
        if "secret" in volume:
            return self.secret(volume["secret"]["secretName"])
        files = {}
        for source in volume["projected"]["sources"]:
            if "serviceAccountToken" in source:
                files[source["serviceAccountToken"]["path"]] = self.token(source["serviceAccountToken"])
            if "configMap" in source:
                data = self.object("configmaps", source["configMap"]["name"])["data"]
                files.update({item["path"]: data[item["key"]] for item in source["configMap"]["items"]})
            if "downwardAPI" in source:
                files.update({item["path"]: self.field(item["fieldRef"]["fieldPath"]) for item in source["downwardAPI"]["items"]})
        return files

    def volume(self, volume):
        folder = os.path.join(self.folder, "volumes", volume["name"])
        os.makedirs(folder)
        if "emptyDir" in volume:
            os.chown(folder, 0, self.spec.get("securityContext", {}).get("fsGroup", 0))
            os.chmod(folder, 0o2777)
            return folder
        data = self.data_of(volume)
        os.mkdir(os.path.join(folder, "..2026_01_01"))
        os.symlink("..2026_01_01", os.path.join(folder, "..data"))
        for name, text in data.items():
            with open(os.path.join(folder, "..data", name), "w") as file:
                file.write(text)
            os.symlink(f"..data/{name}", os.path.join(folder, name))
        return folder

    def network(self):
        inside = "v" + self.netns[3:]
        must("ip", "netns", "add", self.netns)
        must("ip", "link", "add", inside, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        must("ip", "link", "set", inside, "master", "mp0", "up")
        must("ip", "-n", self.netns, "addr", "add", self.ip + "/16", "dev", "eth0")
        must("ip", "-n", self.netns, "link", "set", "eth0", "up")
        must("ip", "-n", self.netns, "link", "set", "lo", "up")
        must("ip", "-n", self.netns, "route", "add", "default", "via", ADDRESS)

    def prepare(self):
        os.makedirs(self.folder)
        volumes = {v["name"]: self.volume(v) for v in self.spec.get("volumes", [])}
        files = {"/etc/hosts": f"127.0.0.1 localhost\n{self.ip} {self.meta['name']}\n",
                 "/etc/resolv.conf": "nameserver 10.96.0.10\noptions attempts:1 timeout:1\n"}
        for name, text in files.items():
            with open(os.path.join(self.folder, os.path.basename(name)), "w") as file:
                file.write(text)
        open(self.message, "w").close()
        os.chmod(self.message, 0o666)
        security = self.spec.get("securityContext", {})
        env = self.environment()
        image, entrypoint = self.runner.images[self.container["image"]]
        mounts = [[volumes[m["name"]], m["mountPath"], m.get("readOnly", False)] for m in self.container.get("volumeMounts", [])]
        mounts += [[os.path.join(self.folder, os.path.basename(name)), name, True] for name in files]
        mounts += [[self.message, "/dev/termination-log", False]] + self.runner.overrides
        with open(os.path.join(self.folder, "spec.json"), "w") as file:
            json.dump({"root": image, "mounts": mounts, "uid": self.uid(), "gid": security.get("runAsGroup", 0),
                       "groups": [security["fsGroup"]] if "fsGroup" in security else [],
                       "args": entrypoint + [expand(a, env) for a in self.container.get("args", [])], "env": env,
                       "cwd": "/data" if any(at == "/data" for _, at, _ in mounts) else "/",
                       "read_only": self.container.get("securityContext", {}).get("readOnlyRootFilesystem", False)}, file)

    def run(self):
        self.started = now()
        try:
            self.refuse()
            self.prepare()
            self.network()
        except (AssertionError, Refused, OSError, KeyError) as why:
            self.runner.broken.append(f"pod {self.meta['name']}: {why!r}")
            return
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.netns}", "unshare", "--mount", "--pid", "--fork", "--kill-child",
                                           sys.executable,
                                           os.path.abspath(__file__), os.path.join(self.folder, "spec.json")], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL)
        begun = now()
        self.ready = self.probe is None
        self.show()
        if self.probe is not None:
            threading.Thread(target=self.keep_probing, daemon=True).start()
        code = self.child.wait()
        code = 128 + signal.SIGKILL if self.killed else 128 - code if code < 0 else code  # unshare says 1 of what SIGKILL ended
        must("ip", "netns", "delete", self.netns)
        terminated = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": begun, "finishedAt": now(),
                      "message": self.last_words(code)}
        self.runner.ended.append((self.meta["name"], code, terminated["message"]))
        try:
            with self.saying:  # what is under way was true when it began; after this it would not be
                self.status("Succeeded" if code == 0 else "Failed", {"terminated": terminated}, False)
            if self.stopping.is_set():
                self.runner.client.call("DELETE", self.path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.meta["uid"]}})
        except Refused as why:
            if why.code != 404:
                raise
        finally:
            self.runner.free(self)

    def last_words(self, code):
        with open(self.message, errors="replace") as file:
            text = file.read(MESSAGE_BYTES)
        if text == "" and code != 0 and self.container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            with open(self.log, errors="replace") as file:
                text = "".join(file.readlines()[-LOG_TAIL_LINES:])[-LOG_TAIL_BYTES:]
        return text

    def stop(self, seconds):
        """PID 1 of the pod gets SIGTERM, after the grace all of it SIGKILL."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self.child is None:
            return
        self.signal(signal.SIGTERM)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)

    def signal(self, number):
        """To PID 1 of the pod. Not to its parent: what has changed its uid outlives that, whatever --kill-child says."""
        self.killed = number == signal.SIGKILL
        for pid in children_of(self.child.pid):
            os.kill(pid, number)


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def expand(text, env):
    return re.sub(r"\$\((\w+)\)", lambda m: env.get(m[1], m[0]), text)


class Runner:
    """${images}: name -> (folder, entrypoint). ${overrides}: [source, path in each container, read-only]."""

    def __init__(self, cluster, folder, images, overrides=()):
        self.client, self.folder, self.images, self.overrides = cluster.client, folder, images, list(overrides)
        self.pods, self.ended, self.broken, self.lock = {}, [], [], threading.Lock()
        self.keys = cluster.path("keys")

    def start(self):
        # An address of its own: else it is the lowest of its ports', changes as pods come and go, and nobody finds the API server for a while.
        must("ip", "link", "add", "mp0", "address", "02:6d:70:00:00:01", "type", "bridge")
        must("ip", "addr", "add", ADDRESS + "/16", "dev", "mp0")
        must("ip", "link", "set", "mp0", "up")

    def register(self):
        size = {"cpu": "8", "memory": "16Gi", "pods": "40", "ephemeral-storage": "50Gi"}
        node = {"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}}}
        self.client.call("POST", "/api/v1/nodes", node)
        ready = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now(), "lastTransitionTime": now()}]
        self.client.merge(f"/api/v1/nodes/{NODE}/status",
                          {"status": {"capacity": size, "allocatable": size, "conditions": ready,
                                      "addresses": [{"type": "InternalIP", "address": ADDRESS}],
                                                                      "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}})
        for work in (self.beat, self.watch, self.serve_logs):
            threading.Thread(target=work, daemon=True).start()

    def beat(self):
        path, tick = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", threading.Event()
        lease = {"metadata": {"name": NODE, "namespace": "kube-node-lease"}, "spec": {"holderIdentity": NODE, "leaseDurationSeconds": 40}}
        while True:
            lease["spec"]["renewTime"] = now(micro=True)
            try:
                lease = self.client.call("PUT", f"{path}/{NODE}", lease) if "uid" in lease["metadata"] else self.client.call("POST", path, lease)
            except (Refused, OSError):
                lease = self.client.find(f"{path}/{NODE}") or lease
            tick.wait(10)

    def watch(self):
        where = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}"
        while True:
            try:
                listed = self.client.get(where)
                for pod in listed["items"]:
                    self.see("ADDED", pod)
                with self.client.open("GET", f"{where}&watch=1&timeoutSeconds=300&resourceVersion={listed['metadata']['resourceVersion']}",
                                      timeout=330) as events:
                    for line in events:
                        event = json.loads(line)
                        self.see(event["type"], event["object"])
            except (OSError, Refused, ValueError) as why:
                print("runner: watch again:", why, file=sys.stderr)

    def see(self, kind, pod):
        uid = pod["metadata"].get("uid")
        if kind not in ("ADDED", "MODIFIED") or uid is None:
            return
        with self.lock:
            known = self.pods.get(uid)
            told = known if kind == "MODIFIED" else None
            if known is None and "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase", "Pending") == "Pending":
                used = {p.ip for p in self.pods.values()}
                known = self.pods[uid] = Pod(self, pod, next(ip for ip in (f"10.77.0.{n}" for n in range(10, 250)) if ip not in used))
                threading.Thread(target=known.run, daemon=True).start()
        if told is not None and told.gates:
            threading.Thread(target=told.changed, args=(pod,), daemon=True).start()
        if "deletionTimestamp" in pod["metadata"] and known is not None:
            threading.Thread(target=known.stop, args=(pod["metadata"].get("deletionGracePeriodSeconds", 30),), daemon=True).start()
        elif "deletionTimestamp" in pod["metadata"]:
            # it ended before: nothing is left but the object
            try:
                self.client.call("DELETE", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}",
                                 {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
            except Refused as why:
                if why.code not in (404, 409):
                    raise

    def free(self, pod):
        with self.lock:
            del self.pods[pod.meta["uid"]]

    def serve_logs(self):
        runner = self

        class Logs(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                _, kind, namespace, name, _ = self.path.split("?")[0].split("/")
                pod = runner.client.get(f"/api/v1/namespaces/{namespace}/pods/{name}") if kind == "containerLogs" else None
                path = os.path.join(runner.folder, pod["metadata"]["uid"], "log") if pod else ""
                self.send_response(200 if os.path.exists(path) else 404)
                self.end_headers()
                if os.path.exists(path):
                    with open(path, "rb") as file:
                        shutil.copyfileobj(file, self.wfile)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer((ADDRESS, 10250), Logs)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.keys + "/apiserver.crt", self.keys + "/apiserver.key")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.serve_forever()


def container(spec):
    """This process becomes the container's PID 1: in namespaces of its own already."""
    work = "/run/container"
    must("mount", "--make-rprivate", "/")
    os.makedirs(work, exist_ok=True)
    must("mount", "-t", "tmpfs", "tmpfs", work)
    for name in ("up", "work", "root"):
        os.mkdir(f"{work}/{name}")
    root = work + "/root"
    must("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={spec['root']},upperdir={work}/up,workdir={work}/work", root)
    for name in ("proc", "dev"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    must("mount", "-t", "proc", "proc", root + "/proc")
    must("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root + "/dev")
    for device in ("null", "zero", "random", "urandom"):
        spec["mounts"].append([f"/dev/{device}", f"/dev/{device}", False])
    for source, at, read_only in spec["mounts"]:
        target = root + at
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        elif not os.path.exists(target):
            open(target, "w").close()
        must("mount", "--bind", source, target)
        if read_only:
            must("mount", "-o", "remount,bind,ro", target)
    if spec["read_only"]:
        must("mount", "-o", "remount,ro", root)
    os.chroot(root)
    os.chdir(spec["cwd"])
    os.setgroups(spec["groups"])
    os.setresgid(*[spec["gid"]] * 3)
    os.setresuid(*[spec["uid"]] * 3)
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    os.execve(spec["args"][0], spec["args"], spec["env"])


if __name__ == "__main__":
    with open(sys.argv[1]) as given:
        container(json.load(given))
