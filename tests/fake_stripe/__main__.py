"""`python -m tests.fake_stripe API_KEY`: serve until its input ends; the first line says where."""

from __future__ import annotations

import sys
import threading

from tests.fake_stripe.server import Server

server = Server(sys.argv[1])
print(server.url, flush=True)
threading.Thread(
    target=server.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
).start()
sys.stdin.read()  # whoever started it has ended, however it ended
