"""A TCP proxy before the server that cuts a connection at a chosen moment: what a network does, on demand."""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Proxy:
    """Forwards to the server; once armed, the next connection that says a word is cut there.

    Args:
        port: Where the server listens.

    Attributes:
        port: Where the proxy listens.
        cuts: How many connections were cut.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        self._word = b""
        self._deliver = False
        self._away = False
        self._stay_away = False
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def arm(self, word: bytes, *, deliver: bool, stay_away: bool = False) -> None:
        """Cut the next connection that says `word`.

        Args:
            word: Bytes from the client.
            deliver: Whether the server still gets them; its answer is lost then.
            stay_away: Whether no connection is taken afterwards, until `back`.
        """
        self._word, self._deliver, self._stay_away = word, deliver, stay_away

    def back(self) -> None:
        """Take connections again."""
        self._away = False

    def close(self) -> None:
        """Take no more, and end what is open."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _begin(self, work: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=work, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._away:
                client.close()
            else:
                upstream = socket.create_connection(("127.0.0.1", self._server))
                self._begin(self._serve, client, upstream)

    def _serve(self, client: socket.socket, upstream: socket.socket) -> None:
        """Forward between both until one of them ends, or until it is to be cut."""
        armed = muted = False
        with client, upstream, suppress(OSError):
            while True:
                ready, _, _ = select.select([client, upstream], [], [])
                for end in ready:
                    data = end.recv(65_536)
                    if not data or (end is upstream and muted):
                        return
                    if end is client and self._word and self._word in data:
                        armed, self._word = True, b""
                        self.cuts += 1
                        self._away = self._stay_away
                        muted = self._deliver
                    if armed and not muted:
                        return
                    (upstream if end is client else client).sendall(data)
