"""A backend that we did not write for meshproof's sake: Python's own HTTP server. It answers with its port and folder, and
asks CALL_PAYMENTS first where it is given one, passing on what ties an application's calls together."""
import http.client, http.server, os, sys

PASSED_ON = ("x-meshproof-root", "traceparent", "x-request-id")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def ask(self, address):
        client = http.client.HTTPConnection(address, timeout=5)
        client.request("GET", "/", headers={name: self.headers[name] for name in PASSED_ON if name in self.headers})
        answer = client.getresponse()
        return answer.status, answer.read()

    def do_GET(self):
        status, body = 200, f"{os.environ['PORT']} {os.getcwd()}".encode()
        if "CALL_PAYMENTS" in os.environ:
            asked, theirs = self.ask(os.environ["CALL_PAYMENTS"])
            status, body = (200 if asked == 200 else 502), b"over " + theirs
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        pass


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("backend: " + " ".join(sys.argv[1:]))
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
