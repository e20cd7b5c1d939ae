"""Errors of the cloud as the command line shows them."""

import pytest
from botocore.exceptions import ClientError

from lowcloud.cli import app
from lowcloud.client.json_client import NoAnswerError, RequestRefusedError

UNKNOWN = ("UnknownOperationException", "lowcloud has no operation 'ListJobs'.")
OF_BOTOCORE = ClientError({"Error": {"Code": UNKNOWN[0], "Message": UNKNOWN[1]}}, "ListJobs")


def said_of(error: Exception, monkeypatch, capsys) -> str:
    def fail() -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 1
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("error", [OF_BOTOCORE, RequestRefusedError(*UNKNOWN)], ids=["botocore", "own client"])
def test_a_server_that_lacks_an_operation_is_said_to_be_an_earlier_version(error, monkeypatch, capsys):
    """After an upgrade of the package, the server of the version before may still run."""
    assert "restart it: lowcloud down, then lowcloud up" in said_of(error, monkeypatch, capsys)


def test_a_server_that_ends_meanwhile_is_a_sentence(monkeypatch, capsys):
    said = said_of(NoAnswerError("The server at http://127.0.0.1:1 does not answer: gone."), monkeypatch, capsys)
    assert said == "The server at http://127.0.0.1:1 does not answer: gone."
