"""Help and refusals of wrong usage: the usual form, without the words of Python's types."""

import re

import pytest
import typer
from typer.testing import CliRunner

from lowcloud.cli import app


def commands() -> list[list[str]]:
    root = typer.main.get_command(app.app)
    return [[], *([name] for name in root.commands), *(["image", name] for name in root.commands["image"].commands)]


def printed(*arguments: str) -> str:
    return CliRunner().invoke(app.app, [*arguments], env={"COLUMNS": "80"}).output


@pytest.mark.parametrize("command", commands(), ids=lambda command: " ".join(command) or "lowcloud")
def test_help_has_values_in_capitals_and_flags_without_a_value(command):
    shown = printed(*command, "-h")
    assert not re.search(r"\{|<\w+", shown)
    assert re.search(r"--help +-h +Show this message", shown)


def test_the_usage_line_names_the_arguments():
    assert "predict [OPTIONS] ENDPOINT ROWS" in printed("predict", "-h")
    assert "data [OPTIONS] [s3://BUCKET/PREFIX]" in printed("data", "-h")
    assert "rm [OPTIONS] s3://BUCKET/PREFIX..." in printed("rm", "-h")


@pytest.mark.parametrize(
    ("usage", "sentence"),
    [
        (["up", "--isolation", "strong"], "'strong' is not one of 'strongest', 'own-user', 'namespaces'"),
        (["up", "--port", "x"], "Input should be a valid integer ╯"),
        (["train", "xgboost"], "Missing argument 'DATA'."),
    ],
)
def test_wrong_usage_is_refused_in_plain_words(usage, sentence):
    said = " ".join(printed(*usage).replace("│", " ").replace("─", "").replace("╰", "").split())
    assert sentence in said
    assert "Value error" not in said
