"""The proxies that are compared: each is started for one job and is a lane then. One thread each (toxiproxy has Go's
default, as it is shipped, and once one core), and none logs, but meshproof, which journals every request.

A job: http (HTTP/1.1 relay), tcp, abort (10 % get 503), hook (Lua: two headers read, one added), hold (a delay in
milliseconds), tls (terminated, and originated to the backend), h2, grpc."""
import dataclasses, json, os, urllib.request
import backend as behind
import cost, envoy_config
from place import Missing, tool

HAPROXY_LUA = """core.register_action("bench", {"http-req"}, function(txn)
  local h = txn.http:req_get_headers()
  txn.http:req_add_header("x-bench", h["x-one"][0] .. h["x-two"][0])
end)
"""
OUR_LUA = """return hook "bench" {
  on_request = function(call)
    return act.headers { set = { ["x-bench"] = call.header["x-one"] .. call.header["x-two"] } }
  end,
}
"""


@dataclasses.dataclass
class Lane:
    name: str
    port: int
    process: object = None  # None: the direct line
    journal: str = None

    def pids(self):
        """All processes that relay."""
        if self.process is None:
            return []
        family = cost.family(self.process.pid)
        return family[:1] if self.journal else family  # ours is the relay itself; its child writes the journal

    def scribes(self):
        """Processes that only write our journal: counted apart (engine.md section 9, "conductor")."""
        return cost.family(self.process.pid)[1:] if self.journal else []


class Peers:
    def __init__(self, place, meshproof, deps):
        self.place, self.program, self.deps, self.count = place, meshproof, deps, 0

    def start(self, peer, job, to, **more):
        """A lane, or Missing."""
        self.count += 1
        return getattr(self, peer)(job, to, self.place.port(), f"{peer}-{job}-{self.count}", **more)

    def stop(self, lane):
        if lane.process is not None:
            self.place.stop(lane.process)

    def direct(self, job, to, port, label):
        return Lane("direct", to)

    def meshproof(self, job, to, port, label, hold_ms=0, records=True, name="meshproof"):
        if not os.path.exists(self.program):
            raise Missing(f"{self.program} is not there: ninja -C build-release meshproof")
        protocol = {"tcp": "tcp", "h2": "http2", "grpc": "http2"}.get(job, "http1")
        command = [self.program, "proxy", "-q", "--listen", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{to}",
                   "--protocol", protocol, "--drain", "1s"]
        if job == "abort":
            command += ["--fault", "abort status=503 share=10%"]
        elif job == "hold":
            command += ["--fault", f"latency add={hold_ms}ms when=request"]
        elif job == "hook":
            command += ["--fault", "hook use=" + self.place.write("bench_hook.lua", OUR_LUA)]
        elif job == "tls":
            cert, key, _ = behind.certificate(self.place)
            command += ["--tls-cert", cert, "--tls-key", key, "--to-tls"]
        journal = self.place.path(label + ".db") if records else None
        if journal:
            command += ["-o", journal]
        return Lane(name, port, self.place.start(label, command, port), journal)

    def haproxy(self, job, to, port, label, name="haproxy http"):
        _, _, both = behind.certificate(self.place)
        lua = "lua-load " + self.place.write("bench_haproxy.lua", HAPROXY_LUA) if job == "hook" else ""
        rules = {"abort": "http-request return status 503 if { rand(100) lt 10 }", "hook": "http-request lua.bench"}
        h2 = "proto h2" if job in ("h2", "grpc") else ""
        tls = job == "tls"
        config = self.place.write(label + ".cfg", f"""global
  nbthread 1
  maxconn 9500
  {lua}
defaults
  mode {"tcp" if job == "tcp" else "http"}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  {"" if job == "tcp" else "http-reuse always"}
frontend f
  bind 127.0.0.1:{port} {h2} {"ssl crt " + both if tls else ""}
  {rules.get(job, "")}
  default_backend b
backend b
  server s 127.0.0.1:{to} {h2} {"ssl verify none" if tls else ""}
""")
        return Lane(name, port, self.place.start(label, [tool("haproxy"), "-f", config, "-db"], port))

    def nginx(self, job, to, port, label, name="nginx"):
        cert, key, _ = behind.certificate(self.place)
        f = self.place.folder
        listen = {"tls": "ssl", "grpc": "http2"}.get(job, "")
        keys = f"ssl_certificate {cert}; ssl_certificate_key {key};" if job == "tls" else ""
        send = "grpc_pass grpc://up;" if job == "grpc" else f"""proxy_pass {"https" if job == "tls" else "http"}://up;
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0;"""
        config = self.place.write(label + ".conf", f"""worker_processes 1; daemon off; pid {f}/{label}.pid;
error_log /dev/null; worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
client_body_temp_path {f}/a; proxy_temp_path {f}/b; fastcgi_temp_path {f}/c; uwsgi_temp_path {f}/d; scgi_temp_path {f}/e;
upstream up {{ server 127.0.0.1:{to}; keepalive 2000; keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{port} {listen} backlog=4096; {keys} location / {{ {send} }} }} }}
""")
        return Lane(name, port, self.place.start(label, [tool("nginx"), "-c", config], port))

    def envoy(self, job, to, port, label, hold_ms=0, name="Envoy"):
        program = os.path.join(self.deps, "envoy", "envoy")
        if not os.path.exists(program):
            raise Missing(f"{program} is not there: ./dev setup envoy")
        config = self.place.write(label + ".json", json.dumps(envoy_config.config(self.place, job, to, port, hold_ms)))
        command = [program, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "off"]
        return Lane(name, port, self.place.start(label, command, port))

    def toxiproxy(self, job, to, port, label, hold_ms=0, name="toxiproxy", cores=None):
        program = os.path.join(self.deps, "toxiproxy", "server")
        if not os.path.exists(program):
            raise Missing(f"{program} is not there: Go builds it, and is not installed or could not")
        admin = self.place.port()
        environment = dict(LOG_LEVEL="panic", **({"GOMAXPROCS": str(cores)} if cores else {}))
        process = self.place.start(label, [program, "-host", "127.0.0.1", "-port", str(admin)], admin, environment)
        post(admin, "/proxies", {"name": "p", "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{to}"})
        if job == "hold":
            toxic = {"type": "latency", "stream": "upstream", "attributes": {"latency": hold_ms}}
            post(admin, "/proxies/p/toxics", toxic)
        self.place.await_port(process, port)
        return Lane(name, port, process)


def post(port, path, body):
    ask = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(),
                                 {"Content-Type": "application/json", "User-Agent": "meshproof-bench"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(ask, timeout=10).read()
