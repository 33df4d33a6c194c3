"""What stands behind every lane: nginx (HTTP/1.1, its TLS, HTTP/2 without TLS) and nghttpd (gRPC's trailers)."""
import os, random, struct, subprocess
from place import tool

SIZES = {"1k": 1 << 10, "64k": 64 << 10, "256k": 256 << 10}
GRPC_PATH = "/bench.Bench/Get"


def certificate(place):
    """A self-signed P-256 certificate for all sides; returns (certificate, key, both in one file)."""
    cert, key, both = place.path("cert.pem"), place.path("key.pem"), place.path("both.pem")
    if not os.path.exists(both):
        subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
        os.chmod(key, 0o644)
        place.write("both.pem", open(cert).read() + open(key).read())
    return cert, key, both


def grpc_message(size):
    return b"\0" + struct.pack(">I", size) + b"g" * size


class Backend:
    """One nginx with three doors; one nghttpd once gRPC is asked for."""

    def __init__(self, place):
        self.place = place
        self.plain, self.tls, self.h2 = (place.port() for _ in range(3))
        noise = random.Random(1)
        for name, size in SIZES.items():
            place.write("www/" + name, noise.randbytes(size))
        place.write("www" + GRPC_PATH, grpc_message(128))
        self.ask = place.write("ask.grpc", grpc_message(64))
        cert, key, _ = certificate(place)
        f = place.folder
        config = place.write("backend.conf", f"""worker_processes 1; daemon off; pid {f}/backend.pid; error_log /dev/null;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; sendfile on; open_file_cache max=10; root {f}/www;
client_body_temp_path {f}/a; proxy_temp_path {f}/b; fastcgi_temp_path {f}/c; uwsgi_temp_path {f}/d; scgi_temp_path {f}/e;
server {{ listen 127.0.0.1:{self.plain} backlog=4096; }}
server {{ listen 127.0.0.1:{self.tls} ssl backlog=4096; ssl_certificate {cert}; ssl_certificate_key {key}; }}
server {{ listen 127.0.0.1:{self.h2} http2 backlog=4096; }} }}
""")
        place.start("backend", [tool("nginx"), "-c", config], self.plain)
        self.grpc = None

    def start_grpc(self):
        if self.grpc is None:
            port = self.place.port()
            self.place.start("nghttpd", [tool("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-d", self.place.path("www"),
                                         "--trailer", "grpc-status: 0", str(port)], port)
            self.grpc = port
        return self.grpc
