"""The limits of the server process."""

import subprocess
import sys

PROGRAM = """
import resource
from lowcloud.server.server import allow_open_files
hard = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
for soft, expected in ((256, hard), (hard, hard)):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (expected, hard)
"""


def test_a_server_may_have_as_many_files_open_as_the_system_allows() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
