"""Which cloud the SDK connects to, and how a job is shown in a terminal and in a notebook."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import lowcloud
from lowcloud.sdk.display.reports import to_html, to_text
from tests.support.servers.server import Server

ROOT = Path(__file__).parents[2]
PROGRAM = """
import lowcloud
job = lowcloud.train(lambda data: len, "data.txt", quiet=True)
print(job.status, job.deploy().predict([[1], [2]]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: data, and a program that trains on it."""
    (tmp_path / "data.txt").write_text("x")
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def test_the_server_is_started_if_it_is_not_running(folder):
    cloud = Server(folder / "home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    try:
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=folder,
            env={**kept, "LOWCLOUD_HOME": str(cloud.home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.stdout == "Completed 2\n", done.stderr
    finally:
        cloud.down()


def test_a_program_of_lowcloud_run_uses_its_own_credentials(server: Server, folder):
    done = server.cli("run", sys.executable, "program.py", cwd=folder, PYTHONPATH=str(ROOT), check=False)
    assert done.stdout == "Completed 2\n", done.stderr


def test_a_folder_that_is_not_a_home_is_reported(monkeypatch, tmp_path):
    (tmp_path / "something").write_text("else")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(lowcloud.CloudUnreachableError, match="is not a Lowcloud home"):
        lowcloud.job("any", home=tmp_path)


def test_a_terminal_shows_one_line_that_ends_with_the_result(server: Server, folder):
    (folder / "train.py").write_text("for step in range(200): print('step', step)\n")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lowcloud.cli", "train", "train.py", "data.txt", "--name", "shown"],
        cwd=folder,
        env={**os.environ, "LOWCLOUD_HOME": str(server.home), "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    printed = b""
    try:
        while chunk := os.read(leader, 65536):
            printed += chunk
    except OSError:  # raised on Linux when the other side is closed
        pass
    assert process.wait(60) == 0, printed.decode()
    assert b"shown completed after" in printed
    assert printed.count(b"step ") < 100, "of 200 lines only the last at a time is shown"


def test_facts_are_formatted_as_lines_of_text_and_as_table_rows():
    facts = {"job": "a<b", "metrics": {"loss": 0.123456, "rows": 3}}
    assert to_text(facts) == "job      a<b\nmetrics  loss=0.1235, rows=3"
    assert "a&lt;b</td></tr>" in to_html(facts)
    assert to_html(facts).startswith("<table><tr><th")
