"""Errors of failed jobs: what the program has printed is told once."""

import pytest

from lowcloud.sdk.errors import JobFailedError

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/opt/ml/code/train.py", line 5, in <module>',
    "ValueError: no",
]
QUOTED = "\n".join(TRACEBACK)
SCRIPT = (
    f'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "{QUOTED}"\n'
    'Command "python train.py", exit code: 1'
)
KILLED = (
    'AlgorithmError: ExecuteUserScriptError:\nExitCode -9\nErrorMessage "last words"\nExtraInfo "Killed by SIGKILL"\n'
    'Command "python train.py", exit code: 137'
)


@pytest.mark.parametrize(
    ("reason", "lines", "ending"),
    [
        (SCRIPT, ["starting", *TRACEBACK], " with exit code 1."),
        (KILLED, ["last words"], " with exit code -9, killed by SIGKILL."),
        (
            "ClientError: line 2: 'x' is not a number, exit code: 2",
            ["ClientError: line 2: 'x' is not a number."],
            " with exit code 2.",
        ),
        (SCRIPT, ["starting"], f": {SCRIPT}"),  # the log does not have it
        ("The image does not exist.", [], ": The image does not exist."),
        ("The image does not exist.", ["starting"], ": The image does not exist."),
    ],
)
def test_the_reason_is_left_out_where_the_shown_lines_tell_it(reason, lines, ending):
    error = JobFailedError("a", reason, lines)
    assert str(error).splitlines()[0] == f"The job a failed{ending}".splitlines()[0]
    assert (error.reason, error.lines) == (reason, tuple(lines))
    assert str(error).count("ValueError: no") == (1 if reason == SCRIPT else 0)
