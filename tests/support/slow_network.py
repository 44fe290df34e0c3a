"""A network between a browser and a server on which some answers never come."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

PASSED_ON = {"accept", "content-type", "cookie", "host", "origin", "referer", "sec-fetch-site", "user-agent"}


@contextmanager
def losing(server: str, *, lost: str) -> Iterator[str]:
    """The address under which everything of `server` is found but what has `lost` in its path."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if lost in self.path:
                over.wait()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            sent = {name: value for name, value in self.headers.items() if name.lower() in PASSED_ON}
            answer = httpx2.request(self.command, f"{server}{self.path}", content=body, headers=sent)
            self.send_response(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name not in ("content-encoding", "content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = _pass_on  # noqa: N815 - the library's names

        def log_message(self, *_args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as network:
        network.daemon_threads = True
        threading.Thread(target=network.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{network.server_port}"
        finally:
            over.set()
            network.shutdown()
