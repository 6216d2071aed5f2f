"""A web server on this computer that behaves well or badly, for tests of downloads."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class FileServer:
    """Gives one file; the first part of the path says how: ``/ranges/model.zip``.

    Attributes:
        content: The file.
        tag: Its mark for ``If-Range``.
        failures: How many of the next answers break in the middle (``drops…``) or are 503
            (``busy``).
        asked: The path and the ``Range`` of each request.
        tunnels: The hosts that it was asked to connect to, as a proxy is.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.tag = '"first"'
        self.failures = 0
        self.asked: list[tuple[str, str]] = []
        self.tunnels: list[str] = []
        self._stopped = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    def url(self, kind: str) -> str:
        return f"{self.address}/{kind}/model.zip"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def stall(self) -> None:
        self._stopped.wait(20)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    owner: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.owner.tunnels.append(self.path)
        self.send_error(403)

    def do_GET(self) -> None:
        self.owner.asked.append((self.path, self.headers.get("Range", "")))
        kind = self.path.split("/")[1]
        breaks = self.owner.failures > 0
        self.owner.failures -= breaks
        if kind == "away":
            return self._redirect("http://models.invalid/model.zip")
        if kind == "moved":
            return self._redirect("/ranges/model.zip")
        if kind == "gone" or (kind == "busy" and breaks):
            return self.send_error(404 if kind == "gone" else 503)
        if kind == "silent":
            return self.owner.stall()
        return self._give(kind, breaks=breaks)

    def _redirect(self, url: str) -> None:
        self.send_response(302)
        self.send_header("Location", url)
        self.end_headers()

    def _give(self, kind: str, *, breaks: bool) -> None:
        content = self.owner.content
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", self.owner.tag) == self.owner.tag
        if asked and same and not kind.endswith("whole"):
            start = int(asked[1])
            self.send_response(206)
            stated = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", stated)
        else:
            start = 0
            self.send_response(200)
        rest = content[start:]
        if kind != "endless":
            self.send_header("Content-Length", str(len(rest) + 1000 * (kind == "short")))
        self.send_header("ETag", self.owner.tag)
        self.end_headers()
        half = kind == "slow" or (kind.startswith("drops") and breaks)
        self.wfile.write(rest[: len(rest) // 2] if half else rest)
        if kind == "slow":
            self.wfile.flush()
            self.owner.stall()
