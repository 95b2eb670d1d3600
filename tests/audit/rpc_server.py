"""A JSON-RPC server that serves a sealed chain, truly or with whatever lie a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from node.types import to_hex
from tests.audit.sealed_chain import SealedChain

Lie = Callable[[str, list[Any], Any], Any]
"""(method, parameters, true answer) to what is answered; ``bytes`` are sent as they are."""


class ChainServer(ThreadingHTTPServer):
    """Counts connections and requests; the first ``refused`` requests are answered 503."""

    daemon_threads = True

    def __init__(self, chain: SealedChain, lie: Lie, refused: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chain = chain
        self.lie = lie
        self.refused = refused
        self.connections = 0
        self.requests: list[tuple[str, list[Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, params: list[Any]) -> Any:
        """What an honest node answers."""
        if method == "praya_getGenesis":
            return self.chain.genesis.document
        if method == "eth_blockNumber":
            return hex(self.chain.height)
        first, count = int(params[0], 16), int(params[1], 16)
        return [
            {
                "number": hex(height),
                "block": to_hex(sealed.block),
                "certificate": to_hex(sealed.certificate),
                "validators": None if sealed.validators is None else [to_hex(a) for a in sealed.validators],
            }
            for height, sealed in enumerate(self.chain.blocks[first - 1 : first - 1 + count], start=first)
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChainServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method, params = request["method"], request["params"]
        self.server.requests.append((method, params))
        if len(self.server.requests) <= self.server.refused:
            return self._send(503, b"<html>restarting</html>")
        answer = self.server.lie(method, params, self.server.answer(method, params))
        if isinstance(answer, bytes):
            return self._send(200, answer)
        if isinstance(answer, dict) and "error" in answer:
            body = {"jsonrpc": "2.0", "id": request["id"], **answer}
        else:
            body = {"jsonrpc": "2.0", "id": request["id"], "result": answer}
        return self._send(200, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the test's output."""


@contextmanager
def serving(
    chain: SealedChain, lie: Lie = lambda method, params, true: true, *, refused: int = 0
) -> Iterator[ChainServer]:
    """The server, running in a thread."""
    server = ChainServer(chain, lie, refused)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
