"""Errors of the cloud as the command line shows them."""

import pytest
from botocore.exceptions import ClientError

from lowcloud.cli import app


def test_a_server_that_lacks_an_operation_is_said_to_be_an_earlier_version(monkeypatch, capsys):
    """After an upgrade of the package, the server of the version before may still run."""

    def list_jobs() -> None:
        details = {"Code": "UnknownOperationException", "Message": "lowcloud has no operation 'ListJobs'."}
        raise ClientError({"Error": details}, "ListJobs")

    monkeypatch.setattr(app, "app", list_jobs)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "restart it: lowcloud down, then lowcloud up" in said
