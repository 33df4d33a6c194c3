#!/usr/bin/env python3
"""Applies the same toxics to Toxiproxy and to meshproof and compares what a client sees: bytes, how
the connection ended, and when, within bounds that a noisy machine keeps.

usage: compare.py REAL-API OUR-API   (each host:port)
"""
import http.client
import json
import socket
import struct
import sys
import threading
import time

LATE = 0.6  # seconds a busy machine may be late


class Upstream(threading.Thread):
    """Answers "N\\n" with N bytes; "N close\\n" closes behind them; notes what each connection sent."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.received = []
        self.start()

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        index = len(self.received)
        self.received.append({"bytes": 0, "end": "open"})
        pending = b""
        try:
            while True:
                data = conn.recv(65536)
                if not data:
                    self.received[index]["end"] = "fin"
                    break
                self.received[index]["bytes"] += len(data)
                pending += data
                while b"\n" in pending:
                    line, pending = pending.split(b"\n", 1)
                    words = line.split()
                    if words and words[0].isdigit():
                        conn.sendall(bytes(i * 7 & 255 for i in range(int(words[0]))))
                        if words[1:] == [b"close"]:
                            conn.close()
                            return
        except OSError:
            self.received[index]["end"] = "rst"
        conn.close()


class Api:
    def __init__(self, address):
        self.address = address

    def ask(self, method, path, body=None):
        conn = http.client.HTTPConnection(self.address, timeout=10)
        conn.request(method, path, None if body is None else json.dumps(body))
        answer = conn.getresponse()
        text = answer.read()
        conn.close()
        if answer.status >= 300:
            raise SystemExit("%s %s: %d %r" % (method, path, answer.status, text))
        return json.loads(text) if text else None

    def proxy(self, upstream):
        self.ask("POST", "/reset")
        for name in self.ask("GET", "/proxies"):
            self.ask("DELETE", "/proxies/" + name)
        return self.ask("POST", "/proxies", {"name": "p", "listen": "127.0.0.1:0",
                                             "upstream": upstream})["listen"]

    def add(self, kind, stream="downstream", toxicity=1.0, **attributes):
        self.ask("POST", "/proxies/p/toxics", {"type": kind, "stream": stream, "toxicity": toxicity,
                                               "attributes": attributes})

    def update(self, name, **attributes):
        self.ask("POST", "/proxies/p/toxics/" + name, {"attributes": attributes})

    def remove(self, name):
        self.ask("DELETE", "/proxies/p/toxics/" + name)


def dial(address):
    host, port = address.rsplit(":", 1)
    try:
        return socket.create_connection((host, int(port)), timeout=5)
    except ConnectionRefusedError:
        return None


def read(conn, want=None, within=5.0):
    """What comes, until ${want} bytes are there or it ends: (bytes, end, first, last, sizes)."""
    begin, data, end = time.monotonic(), b"", "open"
    first = last = None
    sizes = []
    try:
        while want is None or len(data) < want:
            conn.settimeout(max(0.01, begin + within - time.monotonic()))
            part = conn.recv(65536)
            last = time.monotonic() - begin
            if not part:
                end = "fin"
                break
            first = last if first is None else first
            sizes.append(len(part))
            data += part
    except (TimeoutError, socket.timeout):
        pass
    except ConnectionResetError:
        last = time.monotonic() - begin
        end = "rst"
    intact = data == bytes(i * 7 & 255 for i in range(len(data)))
    return {"bytes": len(data), "intact": intact, "end": end, "first": first, "last": last,
            "largest": max(sizes, default=0)}


def talk(address, line, **how):
    conn = dial(address)
    if conn is None:
        return {"end": "refused"}
    conn.sendall(line)
    seen = read(conn, **how)
    conn.close()
    return seen


def at(seen, key, least):
    """Time as a yes or no: not before ${least} seconds, and not much later."""
    value = seen[key]
    return value is not None and least - 0.012 <= value <= least + LATE or "%s: %s" % (key, value)


def keep(seen, *keys):
    return {key: seen[key] for key in keys}


def plain(api, up):
    return keep(talk(api.proxy(up.address), b"100000\n", want=100000), "bytes", "intact", "end")


def closes(api, up):
    return keep(talk(api.proxy(up.address), b"1000 close\n"), "bytes", "intact", "end")


def latency(api, up):
    address = api.proxy(up.address)
    api.add("latency", latency=200)
    seen = talk(address, b"50000\n", want=50000)
    return {**keep(seen, "bytes", "intact"), "at": at(seen, "last", 0.2)}


def latency_upstream(api, up):
    address = api.proxy(up.address)
    api.add("latency", "upstream", latency=200, jitter=50)
    seen = talk(address, b"10\n", want=10)
    return {**keep(seen, "bytes", "intact"), "at": at(seen, "first", 0.15)}


def latency_is_not_a_brake(api, up):
    address = api.proxy(up.address)
    api.add("latency", latency=300)
    seen = talk(address, b"600000\n", want=600000)
    return {**keep(seen, "bytes", "intact"), "at": at(seen, "last", 0.3)}


def bandwidth(api, up):
    address = api.proxy(up.address)
    api.add("bandwidth", rate=50)
    seen = talk(address, b"25000\n", want=25000)
    return {**keep(seen, "bytes", "intact"), "at": at(seen, "last", 0.5)}


def bandwidth_of_nothing(api, up):
    address = api.proxy(up.address)
    api.add("bandwidth", rate=0)
    return keep(talk(address, b"10\n", within=0.5), "bytes", "end")


def slow_close(api, up):
    address = api.proxy(up.address)
    api.add("slow_close", delay=300)
    seen = talk(address, b"1000 close\n")
    return {**keep(seen, "bytes", "intact", "end"), "bytes at": at(seen, "first", 0),
            "end at": at(seen, "last", 0.3)}


def timeout(api, up):
    address = api.proxy(up.address)
    api.add("timeout", timeout=300)
    seen = talk(address, b"1000\n")
    return {**keep(seen, "bytes", "end"), "end at": at(seen, "last", 0.3)}


def timeout_of_zero(api, up):
    address = api.proxy(up.address)
    api.add("timeout", timeout=0)
    conn = dial(address)
    conn.sendall(b"1000\n")
    before = read(conn, within=0.4)
    api.remove("timeout_downstream")
    after = read(conn)
    conn.close()
    return {"before": keep(before, "bytes", "end"), "removed": keep(after, "bytes", "end")}


def reset_peer(api, up):
    address = api.proxy(up.address)
    api.add("reset_peer", timeout=200)
    seen = talk(address, b"1000\n")
    return {**keep(seen, "bytes", "end"), "end at": at(seen, "last", 0.2)}


def reset_peer_upstream(api, up):
    address = api.proxy(up.address)
    api.add("reset_peer", "upstream", timeout=0)
    return keep(talk(address, b"1000\n"), "bytes", "end")


def slicer(api, up):
    address = api.proxy(up.address)
    api.add("slicer", average_size=100, size_variation=20, delay=5000)
    seen = talk(address, b"2000\n", want=2000)
    return {**keep(seen, "bytes", "intact"), "sliced": seen["largest"] < 1000,
            "slow": seen["last"] > 0.05}


def limit_data(api, up):
    address = api.proxy(up.address)
    api.add("limit_data", bytes=1500)
    return keep(talk(address, b"5000\n"), "bytes", "intact", "end")


def limit_data_over_answers(api, up):
    address = api.proxy(up.address)
    api.add("limit_data", bytes=1500)
    conn = dial(address)
    conn.sendall(b"1000\n")
    one = read(conn, want=1000)
    conn.sendall(b"1000\n")
    two = read(conn)
    conn.close()
    return {"one": keep(one, "bytes", "end"), "two": keep(two, "bytes", "end")}


def limit_data_upstream(api, up):
    address = api.proxy(up.address)
    api.add("limit_data", "upstream", bytes=100)
    seen = talk(address, b"x" * 5000)
    time.sleep(0.1)
    return {"client": keep(seen, "bytes"), "server": up.received[-1]["bytes"]}


def down(api, up):
    address = api.proxy(up.address)
    conn = dial(address)
    conn.sendall(b"10\n")
    read(conn, want=10)
    api.ask("POST", "/proxies/p", {"enabled": False})
    seen = read(conn)
    conn.close()
    refused = dial(address) is None
    api.ask("POST", "/proxies/p", {"enabled": True})
    return {"open": keep(seen, "bytes", "end"), "refused": refused,
            "again": keep(talk(address, b"10\n", want=10), "bytes")}


def deleted(api, up):
    address = api.proxy(up.address)
    conn = dial(address)
    conn.sendall(b"10\n")
    read(conn, want=10)
    api.ask("DELETE", "/proxies/p")
    seen = read(conn)
    conn.close()
    return {**keep(seen, "bytes", "end"), "refused": dial(address) is None}


def moved(api, up):
    address = api.proxy(up.address)
    conn = dial(address)
    conn.sendall(b"10\n")
    read(conn, want=10)
    other = Upstream()
    api.ask("POST", "/proxies/p", {"upstream": other.address})
    seen = read(conn)
    conn.close()
    talk(address, b"10\n", want=10)
    return {**keep(seen, "bytes", "end"), "other": len(other.received)}


def on_an_open_connection(api, up):
    address = api.proxy(up.address)
    conn = dial(address)
    times = []

    def ask(least):
        conn.sendall(b"10\n")
        seen = read(conn, want=10)
        times.append((seen["bytes"], at(seen, "last", least)))

    ask(0)
    api.add("latency", latency=250)
    ask(0.25)
    api.update("latency_downstream", latency=120)
    ask(0.12)
    api.add("latency", "upstream", latency=200)
    ask(0.32)
    api.remove("latency_downstream")
    ask(0.2)
    api.ask("POST", "/reset")
    ask(0)
    conn.close()
    return {"times": times}


def removal_lets_go(api, up):
    address = api.proxy(up.address)
    api.add("latency", latency=60000)
    conn = dial(address)
    conn.sendall(b"5000\n")
    before = read(conn, within=0.3)
    api.remove("latency_downstream")
    after = read(conn, want=5000)
    conn.close()
    return {"before": before["bytes"], "after": keep(after, "bytes", "intact")}


def toxicity_of_zero(api, up):
    address = api.proxy(up.address)
    api.add("timeout", toxicity=0.0, timeout=1)
    return keep(talk(address, b"10\n", want=10), "bytes", "end")


def toxicity_of_half(api, up):
    address = api.proxy(up.address)
    api.add("limit_data", toxicity=0.5, bytes=5)
    hit = sum(talk(address, b"10 close\n")["bytes"] == 5 for _ in range(60))
    return {"some": 10 <= hit <= 50 or hit}


def refused_upstream(api, up):
    spare = socket.create_server(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % spare.getsockname()[1]
    spare.close()
    conn = dial(api.proxy(address))
    seen = read(conn)
    conn.close()
    return keep(seen, "bytes", "end")


def client_resets(api, up):
    address = api.proxy(up.address)
    conn = dial(address)
    conn.sendall(b"10\n")
    read(conn, want=10)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()
    time.sleep(0.2)
    return {"server": up.received[-1]["end"] != "open"}


CASES = [plain, closes, latency, latency_upstream, latency_is_not_a_brake, bandwidth,
         bandwidth_of_nothing, slow_close, timeout, timeout_of_zero, reset_peer,
         reset_peer_upstream, slicer, limit_data, limit_data_over_answers, limit_data_upstream,
         down, deleted, moved, on_an_open_connection, removal_lets_go, toxicity_of_zero,
         toxicity_of_half, refused_upstream, client_resets]


def main():
    real, ours = Api(sys.argv[1]), Api(sys.argv[2])
    different = 0
    for case in CASES:
        seen = [case(api, Upstream()) for api in (real, ours)]
        same = seen[0] == seen[1]
        different += not same
        print("%-10s %-26s %s" % ("same" if same else "DIFFERENT", case.__name__,
                                  json.dumps(seen[0])))
        if not same:
            print("%-37s %s" % ("  meshproof:", json.dumps(seen[1])))
    print("%d cases, %d different" % (len(CASES), different))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
