"""A model provider on loopback that says what a test wrote down, in both vendors' wire formats.

It is the one fake here, and it stands at the wire: the real SDKs talk to it over real HTTP.
"""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One HTTP response.

    Attributes:
        body: JSON when it is no bytes.
        declared: content-length to claim; None means the truth.
        hang_up: close the connection without a word.
        held: wait for this before answering.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    declared: int | None = None
    hang_up: bool = False
    held: threading.Event | None = None


@dataclass
class Provider:
    """The server's script and its log."""

    url: str
    script: list[Answer] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def says(self, *answers: Answer) -> None:
        self.script += answers


@contextmanager
def serving() -> Iterator[Provider]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            provider.paths.append(self.path)
            provider.requests.append(json.loads(raw))
            answer = provider.script.pop(0)
            if answer.held is not None:
                answer.held.wait(30)
            if answer.hang_up:
                self._hang_up()
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body)
            data = body if isinstance(body, bytes) else body.encode()
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", answer.kind)
                declared = len(data) if answer.declared is None else answer.declared
                self.send_header("content-length", str(declared))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()
            except OSError:
                return  # the client lost patience
            if answer.declared is not None:
                self._hang_up()

        def _hang_up(self) -> None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def message(*blocks: dict[str, Any], stop: str = "end_turn", **usage: int) -> Answer:
    """A reply in Anthropic's format."""
    return Answer(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": list(blocks),
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5, **usage},
        }
    )


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool_use(command: Any, identity: str = "toolu_1", name: str = "terminal") -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": {"command": command}}


def completion(
    content: Any = None,
    *calls: dict[str, Any],
    finish: str = "stop",
    usage: dict[str, Any] | None = None,
    **fields: Any,
) -> Answer:
    """A reply in the chat-completions format."""
    turn: dict[str, Any] = {"role": "assistant", "content": content, **fields}
    if calls:
        turn["tool_calls"] = list(calls)
    return Answer(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": turn, "finish_reason": finish}],
            "usage": usage or {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
    )


def function(command: str, identity: str = "call_1", name: str = "terminal") -> dict[str, Any]:
    return {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps({"command": command})},
    }
