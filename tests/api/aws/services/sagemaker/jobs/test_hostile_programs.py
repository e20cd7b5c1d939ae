"""Faulty and hostile scripts through boto3: each ends with a clear reason, isolated from the machine."""

import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lowcloud.engine.work import LOG_BYTES
from tests.api.aws.services.test_lowcloud import BUCKET, at_end, create, put_source
from tests.support.engines import works_left
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

IMAGE = "sagemaker-base-python-310"  # a framework without libraries: nothing is built

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /opt/ml and this isolation")


@pytest.fixture(scope="module")
def cloud(server: Server) -> Iterator[Server]:
    s3 = server.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    of_others = works_left(server.home)  # endpoints of other modules
    yield server
    wait_for(lambda: works_left(server.home) <= of_others)


def run(cloud: Server, script: str, hyperparameters: dict[str, str] | None = None, **changes: Any) -> Any:
    """Run a job, and return its description at its end."""
    source = put_source(cloud, script)
    if hyperparameters:
        named = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(source)}
        changes["HyperParameters"] = {**named, **hyperparameters}
    return at_end(cloud, create(cloud, IMAGE, source, **changes))


def failure(cloud: Server, script: str, **changes: Any) -> str:
    described = run(cloud, script, **changes)
    assert described["TrainingJobStatus"] == "Failed"
    return str(described["FailureReason"])


def log(cloud: Server, name: str) -> str:
    """Return the complete log of a job."""
    pages = cloud.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")
    return "\n".join(event["message"] for page in found for event in page["events"])


def members(cloud: Server, described: dict[str, Any]) -> dict[str, tarfile.TarInfo]:
    key = described["ModelArtifacts"]["S3ModelArtifacts"].split("/", 3)[3]
    body = cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {member.name: member for member in archive}


def test_a_script_that_saves_no_model_completes_with_an_empty_one(cloud):
    described = run(cloud, "print('nothing to keep')")
    assert described["TrainingJobStatus"] == "Completed"
    assert members(cloud, described) == {}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("raise SystemExit(3)", "exit code: 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("def broken(:", "SyntaxError"),
        ("raise ValueError('no \\x00 \\ud800 such')", "ValueError"),
    ],
)
def test_a_script_that_ends_badly_fails_its_job_by_how_it_ended(cloud, script, says):
    assert says in failure(cloud, script)


def test_a_script_that_hangs_is_ended_by_the_time_limit(cloud):
    described = run(cloud, "import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 2})
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_binary_garbage_and_endless_lines_are_logged_as_far_as_they_can_be(cloud):
    described = run(
        cloud,
        """
        import os, sys
        os.write(1, bytes(range(256)) + b"\\n")
        sys.stdout.buffer.write(b"x" * (4 << 20) + b"\\nlast\\n")
        """,
    )
    assert described["TrainingJobStatus"] == "Completed"
    printed = log(cloud, described["TrainingJobName"])
    assert "\x00\x01\x02" in printed
    assert printed.count("x") >= 4 << 20
    assert printed.endswith("\nlast")


@pytest.mark.slow
def test_ten_gigabytes_of_log_are_cut_to_what_a_log_may_have(cloud):
    described = run(cloud, "import os\nline = (b'y' * 8191 + b'\\n') * 128\nfor _ in range(10240): os.write(1, line)")
    assert described["TrainingJobStatus"] == "Completed"
    assert LOG_BYTES / 2 < len(log(cloud, described["TrainingJobName"])) <= LOG_BYTES * 1.1


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes_is_logged_in_parts(cloud):
    described = run(cloud, "import os\nfor _ in range(100): os.write(1, b'z' * (1 << 20))\nprint('end')")
    assert described["TrainingJobStatus"] == "Completed"
    assert log(cloud, described["TrainingJobName"]).count("z") == 100 << 20


def test_the_archive_of_a_model_contains_files_and_links_only(cloud):
    described = run(
        cloud,
        """
        import os, socket
        os.chdir("/opt/ml/model")
        os.symlink("/etc", "folder"); os.symlink("/etc/shadow", "link"); os.symlink("../../../../etc/passwd", "up")
        os.mkfifo("fifo"); socket.socket(socket.AF_UNIX).bind("socket")
        open("a\\nb", "w").write("newline"); open(b"\\xff\\xfe", "w").write("bytes")
        open("locked", "w").write("1"); os.chmod("locked", 0); os.mkdir("shut"); os.chmod("shut", 0)
        try: os.mknod("device", 0o600 | 0o020000, os.makedev(1, 3))
        except PermissionError: print("no devices")
        """,
    )
    assert described["TrainingJobStatus"] == "Completed"
    kept = members(cloud, described)
    assert set(kept) == {"folder", "link", "up", "a\nb", "\udcff\udcfe", "locked", "shut"}
    assert all(kept[name].issym() for name in ("folder", "link", "up"))
    assert "no devices" in log(cloud, described["TrainingJobName"])


def test_checkpoints_with_unusual_names_are_stored_and_links_are_not_followed(cloud):
    prefix = "odd-checkpoints"
    described = run(
        cloud,
        """
        import os
        os.chdir("/opt/ml/checkpoints")
        open("a\\nb &<?>%", "w").write("1"); open("\\u00e9\\U0001f600", "w").write("2")
        os.symlink("/etc/shadow", "link"); os.symlink("/etc", "folder"); os.mkfifo("fifo")
        """,
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{prefix}"},
    )
    assert described["TrainingJobStatus"] == "Completed"
    listed = cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert {one["Key"] for one in listed} == {f"{prefix}/a\nb &<?>%", f"{prefix}/é\U0001f600"}


@pytest.mark.parametrize(
    "harm",
    [
        "os.mkdir('/opt/ml/output/failure')",
        "os.truncate(os.open('/opt/ml/output/failure', os.O_CREAT | os.O_RDWR), 1 << 30)",
        "os.symlink('/etc/shadow', '/opt/ml/output/failure')",
        "os.symlink('/dev/zero', '/opt/ml/output/failure')",
        "os.mkfifo('/opt/ml/output/failure')",
        "open('/opt/ml/output/failure', 'wb').write(bytes(range(256)) * 40)",
        "shutil.rmtree('/opt/ml/output'); open('/opt/ml/output', 'w').write('1')",
    ],
)
def test_an_invalid_failure_file_is_ignored(cloud, harm):
    reason = failure(cloud, f"import os, shutil\n{harm}\nraise SystemExit(1)")
    assert "exit code: 1" in reason
    assert "root:" not in reason
    assert len(reason) <= 1024


def test_hyperparameters_with_unusual_characters_arrive_unchanged(cloud):
    odd = {"a b": "$(touch /tmp/x); `id` && 'one' \"two\"", "é": "\U0001f600\t\\", "--x": "%s{0}", "empty": ""}
    described = run(
        cloud,
        """
        import json
        found = json.load(open("/opt/ml/input/config/hyperparameters.json"))
        print(json.dumps({name: text for name, text in found.items() if not name.startswith("sagemaker_")}))
        """,
        hyperparameters=odd,
    )
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert json.dumps(odd) in log(cloud, described["TrainingJobName"])


def test_a_script_that_removes_its_own_folders_fails_for_want_of_its_model(cloud):
    script = """
        import os, shutil
        for name in os.listdir("/opt/ml"): shutil.rmtree(f"/opt/ml/{name}", ignore_errors=True)
        """
    assert "model folder cannot be read" in failure(cloud, script)


SPY = """
    import os, sys, json, pathlib
    home = json.load(open("/opt/ml/input/config/hyperparameters.json"))["home"]
    found = [name for name in os.listdir(home) if name != "client"]  # which it is shown, to act by its role
    for place in (f"{home}/work", f"{home}/work/decoy", f"{home}/environments", f"{home}/data", "/proc/1/root"):
        try: found += [f"{place}/{name}" for name in os.listdir(place)]
        except OSError: pass
    for name in ("lowcloud.db", "server.json", "root-key", "credentials", "settings.json", "work/ids"):
        try: found.append(open(f"{home}/{name}", "rb").read()[:8])
        except OSError: pass
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try: found += [path] if b"LOWCLOUD_HOME" in path.read_bytes() else []
        except OSError: pass
    for path in ("/etc/shadow", "/proc/1/mem", "/proc/sysrq-trigger"):
        try: found.append(os.open(path, os.O_RDWR))
        except OSError: pass
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if "elsewhere" in open(f"/proc/{pid}/cmdline").read(): found.append(pid)
    print("found", found)
"""


def test_a_script_finds_neither_other_jobs_nor_the_home_of_the_cloud(cloud):
    decoy = cloud.home / "work" / "decoy"
    decoy.mkdir(mode=0o777)
    (decoy / "secret").write_text("of another job")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "elsewhere"]) as other:
        described = run(cloud, SPY, hyperparameters={"home": str(cloud.home)})
        other.kill()
    shutil.rmtree(decoy)
    assert "found []" in log(cloud, described["TrainingJobName"])


CALLER = """
    import json, socket
    host, port = json.load(open("/opt/ml/input/config/hyperparameters.json"))["gateway"].split(":")
    for family, place in ((socket.AF_INET, (host, int(port))), (socket.AF_INET, ("1.1.1.1", 80))):
        try: socket.socket(family).connect(place); print("reached", place)
        except OSError as error: print("refused", place)
"""


@pytest.mark.parametrize("is_isolated", [False, True])
def test_a_script_reaches_the_gateway_unless_its_network_is_isolated(cloud, is_isolated):
    gateway = cloud.url.removeprefix("http://").rstrip("/")
    described = run(cloud, CALLER, hyperparameters={"gateway": gateway}, EnableNetworkIsolation=is_isolated)
    printed = log(cloud, described["TrainingJobName"])
    assert ("reached" in printed.splitlines()[-2]) is not is_isolated, printed


def test_the_gateway_still_answers_and_other_jobs_run(cloud):
    assert run(cloud, "print(1)")["TrainingJobStatus"] == "Completed"
    with (
        socket.create_connection(cloud.url.removeprefix("http://").rstrip("/").split(":")),
        pytest.raises(ClientError, match="not found"),
    ):
        cloud.client("sagemaker").describe_training_job(TrainingJobName="nobody")
