"""The time of a sandbox, read over a line that is sometimes slow."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from trademantra.core.time import NANOSECONDS_PER_SECOND as SECOND
from trademantra.core.time import ManualClock
from trademantra.trading.accounts.sandbox_clock import SandboxSilentError, read_sandbox_clock

THERE = 1_000_000 * SECOND


def serve(answers):
    """A server that gives these answers one after the other; its root."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = next(answers)()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def state(now_ns, speed=60.0, paused=False):
    return json.dumps({"clock": {"now_ns": now_ns, "speed": speed, "paused": paused}}).encode()


def test_a_slow_answer_does_not_set_the_clock_behind():
    wall = ManualClock(5 * SECOND)

    def answer(way_there, way_back):
        def made():
            wall.advance_to(wall.now_ns() + way_there)
            told = state(THERE + (wall.now_ns() - 5 * SECOND) * 60)
            wall.advance_to(wall.now_ns() + way_back)
            return told

        return made

    ways = [(1, 200_000_000), (400_000_000, 3), (1_000_000, 1_000_000), (10_000_000, 0), (1, 50_000_000)]
    server = serve(answer(*way) for way in ways)
    try:
        clock = read_sandbox_clock(f"http://127.0.0.1:{server.server_port}", wall)
    finally:
        server.shutdown()
        server.server_close()
    assert clock.now_ns() == THERE + (wall.now_ns() - 5 * SECOND) * 60


def test_a_paused_sandbox_stands_still():
    wall = ManualClock(5 * SECOND)
    server = serve((lambda: state(THERE, paused=True)) for _ in range(9))
    try:
        clock = read_sandbox_clock(f"http://127.0.0.1:{server.server_port}", wall)
    finally:
        server.shutdown()
        server.server_close()
    wall.advance_to(wall.now_ns() + SECOND)
    assert clock.now_ns() == THERE


def test_what_is_no_sandbox_says_so():
    server = serve((lambda: b"<html>") for _ in range(9))
    try:
        with pytest.raises(SandboxSilentError, match="does not tell its time"):
            read_sandbox_clock(f"http://127.0.0.1:{server.server_port}", ManualClock(0))
    finally:
        server.shutdown()
        server.server_close()
