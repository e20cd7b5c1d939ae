"""The progress of a job as lines: changes of state, notes and the result, each once."""

import re
from datetime import UTC, datetime, timedelta

from lowcloud.sdk.display import progress

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
WAITING = "Waiting for 2 cores: xgb-3 uses them"
NOTE = "ml.m5.4xlarge has 16 vCPU and 64 GiB; this machine gives 2 and 20. ml.m5.large fits."


def summary(status: str = "InProgress", stage: str = "Training", **members):
    return {"TrainingJobStatus": status, "SecondaryStatus": stage, "CreationTime": CREATED, **members}


def steps():
    started = {"TrainingStartTime": CREATED + timedelta(seconds=50), "InstanceNote": NOTE}
    waits = summary(stage="Pending", WaitingFor=WAITING, CoresWaitedFor=2.0, InstanceNote=NOTE)
    runs = summary(**started)
    ended = summary("Completed", "Completed", **started, TrainingEndTime=CREATED + timedelta(seconds=52))
    return [waits, waits, runs, runs, ended]


def show(display) -> None:
    with display:
        for step in steps():
            display.show(step, ["a line of output"], lambda: {"loss": 0.25})


def test_off_a_terminal_each_change_is_one_line(capsys):
    show(progress.for_standard_output("xgb-4"))
    assert capsys.readouterr().out.splitlines() == [
        f"xgb-4: {NOTE}",
        f"xgb-4: {progress.SHARING_NOTE}",
        f"xgb-4: {WAITING}",
        "xgb-4: Training",
        "xgb-4: completed after 2.0 s  loss 0.25",
    ]


def test_a_terminal_of_80_columns_gets_one_line_that_fits(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    name = "a-name-of-forty-characters-0123456789-abc"
    display = progress.for_standard_output(name)
    with display:
        display.show(summary(TrainingStartTime=CREATED), ["output " * 30], lambda: {"validation:accuracy": 0.5})
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    lines = [line for line in re.split(r"[\r\n]+", shown) if line.strip()]
    assert any(name in line and "Training" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_the_suggested_command_names_the_home_that_was_chosen(capsys):
    try:
        with progress.for_standard_output("long", " --home /clouds/a"):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert capsys.readouterr().out == "long continues to run; stop it with: lowcloud stop long --home /clouds/a\n"
