"""What commands say of a server's health: through no proxy, and also where the answer is no report."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lowcloud.cli.server import health
from lowcloud.core.control import leader_election
from lowcloud.engine.local import survivors
from tests.support.servers.server import Server


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """The URL of a server that gives this answer to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"reasons": []}', ""),
        (503, b'{"reasons": [{"code": "disk", "message": "The disk is full."}]}', "The disk is full."),
        (503, b"Service Unavailable", "answered 503, without a report"),
        (500, b"5", "answered 500, without a report"),
        (403, b"<Error/>", "earlier version"),
    ],
)
def test_every_answer_is_told(capsys: pytest.CaptureFixture[str], status: int, body: bytes, said: str) -> None:
    with answering(status, body) as endpoint:
        health._print_faults(endpoint)
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert bool(shown) == bool(said)


def test_a_proxy_of_the_environment_is_not_used(server: Server) -> None:
    said = server.cli("status", http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", no_proxy="").stdout
    assert "Server         ready" in said
    assert "Not ready" not in said


def test_no_server_starts_while_what_was_left_running_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def kill(_root: Path, work_ids: list[str]) -> None:
        with pytest.raises(leader_election.ServersRunningError), leader_election.no_servers(tmp_path):
            pass
        seen.extend(work_ids)

    monkeypatch.setattr(survivors, "find", lambda _root: ["endpoint/a/1", "training-job/b/1"])
    monkeypatch.setattr(survivors, "kill", kill)
    health.end_survivors(tmp_path, None, end_jobs=False)
    assert seen == ["endpoint/a/1"]
