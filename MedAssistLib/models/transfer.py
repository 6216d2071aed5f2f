"""One answer of a web server, read in a thread, so that waiting for it can be given up at once."""

from __future__ import annotations

import http.client
import queue
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from MedAssistLib import __version__
from MedAssistLib.errors import ModelError
from MedAssistLib.progress import Progress

_CHUNK = 1 << 18
_QUEUED = 16
_LOOK_S = 0.1
_SILENT_S = 30.0
# Answers that may be another one soon: timeouts, too many requests, and faults of the server.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE_REFUSED = 416


class Interrupted(Exception):  # noqa: N818 - a state of affairs that the caller mends
    """The transfer broke; another try may go on.

    Args:
        why: What happened, in plain words.
        stale: Whether what has arrived so far is of no use.
    """

    def __init__(self, why: str, *, stale: bool = False) -> None:
        super().__init__(why)
        self.stale = stale


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a server says before it sends.

    Attributes:
        start: Where in the file the bytes that follow begin.
        total: Size of the whole file in bytes.
        validator: Its mark of this version of the file, for ``If-Range``; empty if it has none.
    """

    start: int
    total: int
    validator: str


class Transfer:
    """A running download; leaving the ``with`` block gives it up.

    Args:
        url: Where from.
        headers: More to ask of the server.
        require_safe: Raises for addresses that a redirection must not lead to.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], require_safe: Callable[[str], None]
    ) -> None:
        self._url = url
        self._headers = headers
        self._require_safe = require_safe
        self._items: queue.Queue[Head | bytes | Exception] = queue.Queue(_QUEUED)
        self._given_up = threading.Event()

    def __enter__(self) -> Self:
        # A daemon: a server that keeps silent must not keep the program from ending.
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()

    def head(self, progress: Progress) -> Head:
        """Wait for the beginning of the answer.

        Raises:
            Interrupted: If another try may succeed.
            ModelError: If the server refuses, or does not say how large the file is.
            CancelledError: If the user asked to stop.
        """
        item = self._next(progress)
        if not isinstance(item, Head):
            raise Interrupted("the server gives no answer")
        return item

    def chunks(self, progress: Progress) -> Iterator[bytes]:
        """Yield the bytes as they come, until the server or the connection ends.

        Raises:
            Interrupted: If another try may succeed.
            CancelledError: If the user asked to stop.
        """
        while (item := self._next(progress)) and isinstance(item, bytes):
            yield item

    def _next(self, progress: Progress) -> Head | bytes:
        while True:
            progress.check()
            try:
                item = self._items.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                raise self._meaning(item) from item
            return item

    def _read(self) -> None:
        headers = {
            "User-Agent": f"MedAssist/{__version__}",
            "Accept-Encoding": "identity",
            **self._headers,
        }
        # The address was checked by its owner, and every redirection is checked below.
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        opener = urllib.request.build_opener(tls, _Redirections(self._require_safe))
        try:
            with opener.open(request, timeout=_SILENT_S) as answer:
                self._put(_head(answer, self._url))
                while not self._given_up.is_set() and (chunk := answer.read1(_CHUNK)):
                    self._put(chunk)
            self._put(b"")
        except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
            self._put(error)

    def _put(self, item: Head | bytes | Exception) -> None:
        while not self._given_up.is_set():
            try:
                self._items.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return

    def _meaning(self, error: Exception) -> Exception:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code in _PASSING or error.code == _RANGE_REFUSED:
                what = f"the server answers {error.code} {error.reason}"
                return Interrupted(what, stale=error.code == _RANGE_REFUSED)
            hint = "Look whether it is still there, or get it with a browser and add the file"
            what = f"the server refuses it: {error.code} {error.reason}"
            return ModelError(what, where=self._url, hint=hint)
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            hint = "If your network checks encrypted traffic, set SSL_CERT_FILE to its certificates"
            what = f"the server's certificate is not trusted ({reason.verify_message})"
            return ModelError(what, where=self._url, hint=hint)
        if isinstance(reason, TimeoutError):
            return Interrupted(f"the server was silent for {_SILENT_S:.0f} s")
        if isinstance(error, (OSError, http.client.HTTPException)):
            return Interrupted(f"the connection failed ({reason})")
        return error


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows redirections to safe addresses only."""

    def __init__(self, require_safe: Callable[[str], None]) -> None:
        self._require_safe = require_safe

    def redirect_request(self, *request_to_new_url: Any) -> urllib.request.Request | None:
        """Check the last argument, the new address."""
        self._require_safe(request_to_new_url[-1])
        return super().redirect_request(*request_to_new_url)


def _head(answer: http.client.HTTPResponse, url: str) -> Head:
    headers = answer.headers
    start, total = 0, headers.get("Content-Length", "")
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        start, total = (int(found[1]), found[2]) if found else (0, "")
    if not total.isdigit() or int(total) == 0:
        hint = "Get it with a browser and add the file: medassist models add FILE"
        raise ModelError("the server does not say how large it is", where=url, hint=hint)
    tag = headers.get("ETag", "")
    # A weak tag may stand for files that differ, which If-Range does not allow.
    validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
    return Head(start=start, total=int(total), validator=validator)
