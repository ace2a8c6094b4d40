"""What stands between a process and a server, and fails when told to: a TCP relay with a switch.

Everything that gets through comes from the real server behind it.
"""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import pytest

from tests.s3_server import S3

Trouble = Literal["drops", "busy", "faulty"]


def _answer(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>Try again.</Message></Error>"
    head = "Content-Type: application/xml\r\nConnection: close"
    return f"HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


_ANSWERS = {
    "busy": _answer("503 Slow Down", "SlowDown"),
    "faulty": _answer("500 Internal Server Error", "InternalError"),
}


class Flaky:
    """A relay to ``endpoint``, for as long as it is entered.

    ``trouble`` may be set at any time: "drops" closes what is connected and every new connection
    at once, "busy" answers each with status 503, "faulty" with 500. ``refused`` counts the
    connections that met it.
    ``on_request`` is called with everything that callers send, before it goes on, ``on_answer``
    with what comes back; where one raises OSError, the connection is closed.
    """

    def __init__(self, endpoint: str) -> None:
        self._behind = urlsplit(endpoint)
        self._trouble: Trouble | None = None
        self._open: set[socket.socket] = set()
        self.refused = 0
        self.on_request: Callable[[bytes], None] | None = None
        self.on_answer: Callable[[bytes], None] | None = None
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with the server now, for who comes by this way."""
        return self._trouble

    @trouble.setter
    def trouble(self, value: Trouble | None) -> None:
        self._trouble = value
        if value:
            for connection in list(self._open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, caller: socket.socket) -> None:
        if self._trouble:
            self.refused += 1
            if self._trouble in _ANSWERS:
                caller.recv(65536)
                caller.sendall(_ANSWERS[self._trouble])
            return
        address = (self._behind.hostname or "", self._behind.port or 80)
        with socket.create_connection(address) as server:
            self._open |= {caller, server}
            ways = (server, caller, self._tell_answer)
            back = threading.Thread(target=self._pump, args=ways, daemon=True)
            back.start()
            self._pump(caller, server, self._tell)
            back.join()
            self._open -= {caller, server}

    def _tell(self, sent: bytes) -> None:
        if self.on_request:
            self.on_request(sent)

    def _tell_answer(self, sent: bytes) -> None:
        if self.on_answer:
            self.on_answer(sent)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, tell: Callable[[bytes], None]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                tell(data)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def flaky(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flaky]:
    """What stands between this process and the S3 server, and fails when told to."""
    with Flaky(s3.endpoint) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", between.endpoint)
        yield between
