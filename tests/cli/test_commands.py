"""The command line as a user runs it, each test on a home of its own."""

import fcntl
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lowcloud import __version__
from lowcloud.cli import app
from lowcloud.cli.server import server as server_commands
from lowcloud.cli.terminal.output import print_fact
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.home import server_process
from lowcloud.home.settings import DEFAULT_PORT
from tests.support.data.patients import IMAGE, request, with_training_data
from tests.support.engines import no_input
from tests.support.servers.server import Server
from tests.support.waiting import wait_for


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    """A home that does not exist yet."""
    cloud = Server(tmp_path / "home")
    yield cloud
    cloud.down()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has no jobs, with an account and keys of its own, which tests leave as it is."""
    quiet = Server(tmp_path_factory.mktemp("quiet") / "home")
    quiet.up()
    yield quiet
    quiet.down()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_creates_a_home_that_only_its_owner_can_read(cloud):
    cloud.up()
    assert mode(cloud.home) == 0o700
    for name in ("account.json", "encryption.key"):
        assert mode(cloud.home / "keys" / name) == 0o600
    assert not list((cloud.home / "data").rglob("*.key"))
    assert len((cloud.home / "keys" / "encryption.key").read_bytes()) == 32
    roles = cloud.client("iam").list_roles()["Roles"]
    assert [role["RoleName"] for role in roles] == ["LowcloudExecutionRole"]


def test_two_homes_have_different_accounts_and_keys(cloud, tmp_path):
    other = Server(tmp_path / "other")
    for one in (cloud, other):
        one.cli("status", check=False)
        one.up()
    accounts = [json.loads((one.home / "keys" / "account.json").read_text()) for one in (cloud, other)]
    other.down()
    for name in ("account_id", "access_key_id", "secret_access_key"):
        assert accounts[0][name] != accounts[1][name]


def test_up_prints_the_url_and_a_second_up_reports_that_the_server_runs(cloud):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    printed = cloud.cli("up", "--detach", "--port", str(port)).stdout
    level = LocalEngine(cloud.home / "work", no_input).isolation_status().level
    assert printed.splitlines() == [f"Lowcloud is ready at http://127.0.0.1:{port}", f"{'Isolation':15}{level}"]
    running = f"Lowcloud is already running at http://127.0.0.1:{port}"
    assert cloud.cli("up", "--port", str(port), "--host", "127.0.0.1", "--log-level", "info").stdout == f"{running}\n"
    others = cloud.cli("up", "--workers", "7", "--isolation", "none", "--port", "0").stdout
    assert others.startswith(f"{running}, with another value of --workers, --isolation. To apply yours, stop it with")
    assert cloud.cli("down").stdout == "Lowcloud has stopped\n"
    assert cloud.cli("down").stdout == "Lowcloud is not running\n"


def test_a_home_keeps_its_port_unless_it_is_taken_or_another_is_chosen(cloud):
    cloud.up()
    first = cloud.url
    cloud.down()
    assert cloud.cli("up", "--detach").stdout.startswith(f"Lowcloud is ready at {first}\n")
    cloud.down()
    assert (
        cloud.cli("run", sys.executable, "-c", "import os; print(os.environ['AWS_ENDPOINT_URL'])").stdout
        == f"{first}\n"
    )
    cloud.down()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may be closing still
        taken.bind(("127.0.0.1", int(first.rpartition(":")[2])))
        taken.listen()
        started = cloud.cli("up", "--detach")
        second = cloud.url
    assert second != first
    assert "in use by another program; choosing a free one" in started.stderr
    cloud.down()
    assert cloud.cli("up", "--detach").stdout.startswith(f"Lowcloud is ready at {second}\n")


def test_a_server_that_other_machines_can_reach_is_warned_of(cloud):
    started = cloud.cli("up", "--detach", "--port", "0", "--host", "0.0.0.0")
    assert started.stdout.startswith("Lowcloud is ready at http://127.0.0.1:")
    assert started.stderr.count("Warning: listening on 0.0.0.0, so other machines can send requests") == 1
    cloud.down()
    assert cloud.cli("up", "--detach", "--port", "0").stderr == ""


def test_commands_that_need_a_server_do_not_start_one_and_hints_name_the_chosen_home(cloud, tmp_path):
    (tmp_path / "rows.csv").write_text("1,2\n")
    for command in ("stop x", "predict x rows.csv", "interrupt x", "deploy x", "delete x", "data", "rm s3://b/k --yes"):
        done = cloud.cli(*command.split(), "--home", str(cloud.home), check=False, cwd=tmp_path)
        assert done.returncode == 3, command
        assert f"start it with: lowcloud up --home {cloud.home}" in done.stderr
    assert not cloud.home.exists()


def test_up_in_the_foreground_ends_at_sigterm(cloud):
    command = [sys.executable, "-m", "lowcloud.cli", "up", "--port", "0", "--home", str(cloud.home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Lowcloud is ready at http://127.0.0.1:")
    process.terminate()
    assert process.wait(30) == 0
    assert server_process.find_running(cloud.home) is None


def test_up_goes_on_if_nobody_reads_what_it_prints(cloud):
    command = [sys.executable, "-m", "lowcloud.cli", "up", "--port", "0", "--workers", "1", "--home", str(cloud.home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    wait_for(lambda: server_process.find_running(cloud.home) or process.poll() is not None)
    client = cloud.client("sts")
    assert client.get_caller_identity()["Account"]
    process.terminate()
    assert process.wait(30) == 0


def test_the_error_for_a_port_in_use_names_it(cloud):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = cloud.cli("up", "--port", port, check=False)
    assert done.returncode == 1
    assert port in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("command", ["up", "status", "down", "jobs", "check", "predict x y", "env"])
def test_a_home_that_is_a_file_is_refused_in_a_sentence(tmp_path, command):
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        refused = CliRunner().invoke(app.app, [*command.split(), "--home", str(home)])
        said = refused.stderr or str(refused.exception)
        assert f"{tmp_path / 'file'} is a file, but a home is a folder" in said


def test_a_first_start_that_fails_leaves_nothing_that_a_restore_trips_over(cloud, quiet, tmp_path):
    quiet.cli("backup", str(tmp_path / "backup"), "--with-keys")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for mode in ((), ("--detach",)):
            failed = cloud.cli("up", *mode, "--port", str(taken.getsockname()[1]), check=False)
            assert failed.returncode == 1
            assert failed.stderr.count("cannot listen") == 1
            assert "server.log" not in failed.stderr  # it is gone
            assert not list(cloud.home.iterdir())
    refused = cloud.cli("up", "--port", "0", check=False, LOWCLOUD_ACCOUNT_ID="twelve")
    assert "twelve digits" in refused.stderr
    assert not list(cloud.home.iterdir())
    assert "is restored" in cloud.cli("restore", str(tmp_path / "backup")).stdout


def test_a_start_that_fails_keeps_keys_that_were_there_before(cloud, quiet):
    shutil.copytree(quiet.home / "keys", cloud.home / "keys")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cloud.cli("up", "--port", str(taken.getsockname()[1]), check=False)
    for name in ("account.json", "encryption.key"):
        assert (cloud.home / "keys" / name).read_bytes() == (quiet.home / "keys" / name).read_bytes()


def test_the_environment_sets_account_and_root_key(cloud):
    chosen = {
        "LOWCLOUD_ACCOUNT_ID": "123456789012",
        "LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIACHOSEN0000000000",
        "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "chosen-secret",
    }
    cloud.cli("up", "--detach", "--port", "0", **chosen)
    aws = str(Path(sys.executable).parent / "aws")
    identity = json.loads(cloud.cli("run", aws, "sts", "get-caller-identity", **chosen).stdout)
    assert identity["Account"] == "123456789012"
    assert "123456789012" in cloud.cli("status").stdout, "commands in a shell that does not set them use the saved ones"
    done = cloud.cli("status", check=False, LOWCLOUD_ACCOUNT_ID="twelve")
    assert "twelve digits" in done.stderr


def test_a_home_that_cannot_be_opened_is_reported_without_a_traceback(cloud):
    cloud.up()
    cloud.down()
    database = cloud.home / "data" / "lowcloud.db"
    database.write_bytes(b"no database at all" * 100)
    done = cloud.cli("up", "--port", "0", check=False)
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
    assert database.read_bytes().startswith(b"no database")


def test_status_and_down_name_a_damaged_file_without_a_traceback(cloud):
    cloud.home.mkdir()
    (cloud.home / "store.json").write_text("{")
    for command in ("status", "down"):
        done = cloud.cli(command, check=False)
        assert done.returncode == 1
        assert "store.json is damaged" in done.stderr
        assert "Traceback" not in done.stderr
    (cloud.home / "store.json").unlink()


def test_a_refusal_of_the_cloud_is_a_sentence_without_a_traceback(quiet):
    wrong = {"LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIAWRONG00000000000", "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "wrong"}
    for command in (["status"], ["jobs"], ["env"], ["run", "true"]):
        done = quiet.cli(*command, check=False, **wrong)
        assert done.returncode == 1
        assert "invalid" in done.stderr
        assert "Traceback" not in done.stderr


def test_env_prints_what_run_sets(quiet):
    lines = quiet.cli("env", AWS_PROFILE="production").stdout.splitlines()
    assert "unset AWS_PROFILE" in lines
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
    assert exported["AWS_ENDPOINT_URL"] == quiet.url
    shown = quiet.cli("run", sys.executable, "-c", "import os; print(os.environ['AWS_ENDPOINT_URL'])").stdout
    assert shown == quiet.url + "\n"


def test_run_keeps_a_users_real_keys_out_and_gives_back_the_exit_code(quiet):
    real = {"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_PROFILE": "production"}
    script = "import os, sys; print(dict(os.environ)); sys.exit(7)"
    done = quiet.cli("run", sys.executable, "-c", script, check=False, **real)
    assert done.returncode == 7
    assert "AKIAREAL" not in done.stdout
    assert "production" not in done.stdout
    assert "LowcloudExecutionRole" not in done.stdout


def test_run_starts_the_server_even_if_the_default_port_is_in_use(cloud):
    with socket.socket() as taken:
        with suppress(OSError):  # another process uses it
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        done = cloud.cli("run", sys.executable, "-c", "print('done')", check=False)
    assert done.stdout == "done\n", done.stderr
    assert not cloud.url.endswith(f":{DEFAULT_PORT}")


def test_a_request_for_real_aws_comes_here_instead(quiet):
    script = """
import boto3
sts = boto3.client("sts", endpoint_url="https://sts.eu-west-1.amazonaws.com", region_name="eu-west-1")
print(sts.get_caller_identity()["Arn"])
"""
    done = quiet.cli("run", sys.executable, "-c", script, check=False)
    assert "assumed-role/LowcloudExecutionRole/" in done.stdout, done.stderr


def test_status_without_a_server_shows_how_to_start_it(cloud):
    done = cloud.cli("status", check=False)
    assert done.returncode == 3
    assert "lowcloud up" in done.stdout


def test_status_jobs_and_logs_of_a_quiet_cloud(quiet):
    status = quiet.cli("status").stdout
    for part in (str(quiet.home), quiet.url, "Isolation", "0 in progress"):
        assert part in status.replace("\n", "")
    assert quiet.cli("jobs").stdout == "No jobs yet\n"
    assert "No image" in quiet.cli("image", "list").stdout
    done = quiet.cli("logs", "nobody", check=False)
    assert done.returncode == 1
    assert "nobody" in done.stderr


def test_status_is_short_and_names_the_first_endpoints(quiet, monkeypatch):
    status = quiet.cli("status").stdout
    level = LocalEngine(quiet.home / "work", no_input).isolation_status().level
    assert f"{'Isolation':15}{level}\n" in status
    many = [{"EndpointName": f"e{number}", "EndpointStatus": "InService"} for number in range(9)]
    monkeypatch.setattr(server_commands, "list_endpoints", lambda _client: iter(many))
    shown = CliRunner().invoke(app.app, ["status", "--home", str(quiet.home)]).stdout
    assert "e0 (InService), e1 (InService), e2 (InService) and 6 more: lowcloud endpoints" in shown


def test_jobs_and_logs_do_not_start_a_server_or_create_a_home(cloud):
    for command in (["jobs"], ["logs", "anything"]):
        done = cloud.cli(*command, check=False)
        assert done.returncode == 3
        assert "lowcloud up" in done.stderr
    assert not cloud.home.exists()


def test_logs_of_a_failed_job_end_with_the_reason_and_those_of_an_endpoint_are_shown(server):
    with_training_data(server)
    sagemaker = server.client("sagemaker")
    long_name = "shown-".ljust(63, "x")
    for name, prefix in (("shown-good", "good"), (long_name, "nothing-here")):
        job = {**request(server, prefix=prefix), "TrainingJobName": name}
        sagemaker.create_training_job(**job)
        sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert "quality_metric" in server.cli("logs", "shown-good", "--follow").stdout
    listed = [line.split()[:3] for line in server.cli("jobs").stdout.splitlines()]
    assert [long_name, "training", "Failed"] in listed, "names are copied: they must not be cut"
    assert [line for line in server.cli("jobs").stdout.splitlines() if long_name in line and "No S3 objects" in line]
    failed = server.cli("logs", long_name, check=False)
    assert failed.returncode == 1
    assert "No S3 objects found" in failed.stderr
    artifact = sagemaker.describe_training_job(TrainingJobName="shown-good")["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(ModelName="shown-endpoint", PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifact})
    variant = {
        "VariantName": "all",
        "ModelName": "shown-endpoint",
        "InstanceType": "ml.m4.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="shown-endpoint", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="shown-endpoint", EndpointConfigName="shown-endpoint")
    assert sagemaker.describe_endpoint(EndpointName="shown-endpoint")["EndpointStatus"] == "InService"
    wait_for(lambda: "Serving" in server.cli("logs", "shown-endpoint").stdout)
    server.client("sagemaker").delete_endpoint(EndpointName="shown-endpoint")


def test_further_lines_of_a_fact_are_aligned(capsys):
    print_fact("Failure", "one\ntwo")
    assert capsys.readouterr().out == f"{'Failure':15}one\n{'':15}two\n"


def test_a_home_cannot_be_served_as_another_account_and_the_attempt_is_not_saved(cloud):
    cloud.up()
    account = cloud.client("sts").get_caller_identity()["Account"]
    cloud.down()
    refused = cloud.cli("up", "--port", "0", check=False, LOWCLOUD_ACCOUNT_ID="111122223333")
    assert refused.returncode == 1
    assert f"belongs to account {account}" in refused.stderr
    cloud.up()
    assert cloud.client("sts").get_caller_identity()["Account"] == account


def test_a_new_server_starts_after_the_last_one_was_killed(cloud):
    cloud.up()
    cloud.kill()
    assert cloud.cli("status", check=False).returncode == 3
    cloud.up()
    assert wait_for(lambda: cloud.client("sts").get_caller_identity())["Arn"].endswith(":root")


def test_nothing_listens_beyond_the_loopback(quiet):
    running = server_process.find_running(quiet.home)
    assert running is not None
    port = f"{int(running.endpoint.rsplit(':', 1)[1]):04X}"
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = [line[1] for line in listening if line[3] == "0A" and line[1].endswith(f":{port}")]
    assert set(addresses) == {f"0100007F:{port}"}  # one for each process that serves
    assert os.path.lexists(quiet.home)


def test_a_lost_encryption_key_of_existing_data_is_not_replaced(cloud):
    cloud.up()
    cloud.down()
    (cloud.home / "keys" / "encryption.key").unlink()
    done = cloud.cli("up", "--detach", check=False)
    assert done.returncode == 1
    assert "encryption.key" in done.stderr
    assert not (cloud.home / "keys" / "encryption.key").exists()


def test_the_version_is_printed(cloud):
    assert cloud.cli("--version").stdout == f"lowcloud {__version__}\n"


def test_concurrent_checks_of_a_home_do_not_mistake_each_other_for_a_server(cloud):
    cloud.up()
    cloud.down()
    with (cloud.home / "server.lock").open() as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        assert not server_process.is_locked(cloud.home)
