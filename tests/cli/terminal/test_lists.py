"""Lists: all values whole in a pipe, aligned in a terminal, JSON on request, and never silently cut."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lowcloud.cli.serving import endpoints
from lowcloud.client.json_client import JsonClient
from lowcloud.home import settings
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

ENDED = ("Completed", "Failed", "Stopped")
COUNT = 3


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with three finished jobs of long names, and data."""
    folder = tmp_path_factory.mktemp("lists")
    cloud = Server(folder / "home")
    cloud.up()
    (folder / "train.py").write_text("print('trained')\n")
    (folder / "data.csv").write_text("1,2\n")
    for number in range(COUNT):
        cloud.cli("train", "train.py", "data.csv", "--name", name_of(number), cwd=folder)
    yield cloud
    cloud.down()


def name_of(number: int) -> str:
    return f"job-{number}-".ljust(62, "x") + str(number)


def in_terminal(cloud: Server, *arguments: str, answer: str = "") -> str:
    """Run a command in a terminal of 80 columns, and return what it shows."""
    here, there = pty.openpty()
    environment = {**os.environ, "LOWCLOUD_HOME": str(cloud.home), "COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "lowcloud.cli", *arguments]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment)
    os.close(there)
    if answer:
        os.write(here, f"{answer}\n".encode())
    shown = b""
    while True:
        try:
            part = os.read(here, 65536)
        except OSError:  # the terminal is closed
            break
        shown += part
    process.wait(60)
    os.close(here)
    return shown.decode().replace("\r\n", "\n")


def test_a_pipe_gets_whole_values_separated_by_tabs(cloud):
    rows = [line.split("\t") for line in cloud.cli("jobs").stdout.splitlines()]
    assert rows[0] == ["Job", "Kind", "Status", "Created", "Seconds", "Detail"]
    assert [row[:3] for row in rows[1:]] == [[name_of(n), "training", "Completed"] for n in reversed(range(COUNT))]


def test_a_terminal_gets_aligned_columns_without_cut_names(cloud):
    lines = in_terminal(cloud, "jobs").splitlines()
    assert "\t" not in "".join(lines)
    assert lines[2].split() == [name_of(COUNT - 1), "training"]
    assert lines[0].index("Kind") == lines[2].index("training")
    assert lines[3].split()[0] == "Completed"
    assert lines[1].index("Status") == lines[3].index("Completed")
    assert max(map(len, lines)) <= 80


def test_a_list_says_if_there_is_more_and_all_lists_it(cloud):
    shown = cloud.cli("jobs", "-n", "2")
    assert len(shown.stdout.splitlines()) == 3
    assert shown.stderr == "2 shown, the newest; all jobs: --all\n"
    for options in (["-n", "3"], ["--all"], ["-n", "1", "--all"]):
        done = cloud.cli("jobs", *options)
        assert (len(done.stdout.splitlines()), done.stderr) == (4, "")


def test_json_has_every_member_and_iso_times(cloud):
    found = json.loads(cloud.cli("jobs", "--json", "-n", "1").stdout)
    assert [job["JobName"] for job in found] == [name_of(COUNT - 1)]
    assert found[0]["CreationTime"].startswith("20")
    assert json.loads(cloud.cli("endpoints", "--json").stdout) == []
    described = json.loads(cloud.cli("describe", name_of(0), "--json").stdout)
    assert described["TrainingJob"]["ResourceConfig"]["InstanceType"] == "ml.m5.large"


def test_pages_of_jobs_have_every_job_once(cloud):
    client = cloud.client("lowcloud")
    names, token = [], {}
    while True:
        page = client.list_jobs(MaxResults=1, **token)
        names += [job["JobName"] for job in page["Jobs"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert names == [name_of(n) for n in reversed(range(COUNT))]
    with pytest.raises(client.exceptions.ClientError, match="not one of this list"):
        client.list_jobs(NextToken="forged")


def test_help_has_a_short_option_everywhere(cloud):
    for command in ([], ["jobs"], ["image", "list"], ["run"]):
        assert "Usage" in cloud.cli(*command, "-h").stdout


def test_describe_shows_a_job_without_waiting_for_its_end(cloud, tmp_path):
    (tmp_path / "sleep.py").write_text("import time\ntime.sleep(60)\n")
    (tmp_path / "data.csv").write_text("1,2\n")
    cloud.cli("train", "sleep.py", "data.csv", "--name", "sleeping", "--detach", cwd=tmp_path)
    cloud.cli("train", "sleep.py", "data.csv", "--name", "queued", "--detach", cwd=tmp_path)
    started_at = time.monotonic()
    shown = cloud.cli("describe", "queued").stdout
    if "Waiting" not in shown:  # on a machine with room for both
        assert (os.cpu_count() or 1) > 2
    else:
        assert "Waiting for 2 cores: sleeping uses them" in shown
        transitions = cloud.client("sagemaker").describe_training_job(TrainingJobName="queued")
        message = transitions["SecondaryStatusTransitions"][-1]["StatusMessage"]
        assert message == "Waiting for 2 cores: sleeping uses them"
    assert "Jobs           2 in progress" in cloud.cli("status").stdout
    assert time.monotonic() - started_at < 60
    for name in ("queued", "sleeping"):
        assert f"{name} is stopping" in cloud.cli("stop", name).stdout
        wait_for(lambda name=name: cloud.client("lowcloud").list_jobs(JobName=name)["Jobs"][0]["JobStatus"] in ENDED)
    never_started = cloud.client("lowcloud").list_jobs(JobName="queued")["Jobs"][0]
    assert "StartTime" not in never_started or (os.cpu_count() or 1) > 2


def test_data_lists_what_is_stored_and_rm_asks_before_it_deletes(cloud):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="shelf")
    for key, size in (("a/1", 10), ("a/2", 20), ("b", 5)):
        s3.put_object(Bucket="shelf", Key=key, Body=bytes(size))
    rows = [line.split("\t")[:3] for line in cloud.cli("data").stdout.splitlines()]
    assert ["s3://shelf/", "3", "35"] in rows
    below = [line.split("\t")[:3] for line in cloud.cli("data", "s3://shelf/").stdout.splitlines()]
    assert below[1:] == [["s3://shelf/a/", "2", "30"], ["s3://shelf/b", "1", "5"]]
    refused = cloud.cli("rm", "s3://shelf/a/", check=False)
    assert (refused.returncode, "add --yes" in refused.stderr) == (1, True)
    assert "Delete 2 objects (30 B)?" in in_terminal(cloud, "rm", "s3://shelf/a/", answer="n")
    assert len(s3.list_objects_v2(Bucket="shelf")["Contents"]) == 3
    assert "write s3://shelf/a/" in cloud.cli("rm", "s3://shelf/a", check=False).stderr
    whole = cloud.cli("rm", "--yes", "s3://shelf", check=False)
    assert (whole.returncode, whole.stdout) == (1, "")
    assert "to delete all its objects, write s3://shelf/" in whole.stderr
    assert "2 objects (30 B) deleted" in in_terminal(cloud, "rm", "s3://shelf/a/", answer="y")
    assert cloud.cli("rm", "--yes", "s3://shelf/b").stdout == "1 object (5 B) deleted\n"
    assert "Contents" not in s3.list_objects_v2(Bucket="shelf")
    assert "no bucket 'nothing'" in cloud.cli("data", "s3://nothing/", check=False).stderr


def test_each_model_is_described_once_and_an_endpoint_is_found_by_its_name(cloud, monkeypatch, capsys):
    asked = []

    class Counting(JsonClient):
        def call(self, service, operation, **members):
            asked.append((operation, members.get("ModelName")))
            return super().call(service, operation, **members)

    chosen = settings.load(cloud.home, os.environ)
    client = Counting(cloud.url, chosen.region, chosen.root_key)
    monkeypatch.setattr(endpoints, "connect", lambda _home: client)
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(
        ModelName="counted", ExecutionRoleArn=cloud.role, PrimaryContainer={"Image": "linear-learner:1"}
    )
    endpoints.models()
    assert "counted" in capsys.readouterr().out
    assert asked == [("ListModels", None), ("DescribeModel", "counted")]
    asked.clear()
    endpoints.delete("counted")
    assert [operation for operation, _ in asked] == ["DescribeEndpoint", "DescribeModel", "DeleteModel"]


def test_rm_says_what_uses_the_objects(cloud, tmp_path):
    (tmp_path / "data.csv").write_text("label,a\n0,1\n1,2\n0,1\n1,3\n")
    cloud.cli("train", "xgboost", "data.csv", "--target", "label", "-p", "num_round=1", "--name", "used", cwd=tmp_path)
    cloud.cli("deploy", "used")
    artifact = json.loads(cloud.cli("describe", "used", "--json").stdout)["Model"]["PrimaryContainer"]["ModelDataUrl"]
    said = cloud.cli("rm", artifact, check=False).stderr
    assert f"The endpoint used serves {artifact}" in said
    assert f"The model used is made from {artifact}" in said
    cloud.cli("delete", "used")
    assert "There is no endpoint" not in cloud.cli("endpoints").stdout
    (tmp_path / "sleep.py").write_text("import time\ntime.sleep(60)\n")
    cloud.cli("train", "sleep.py", "data.csv", "--name", "reading", "--detach", cwd=tmp_path)
    (job,) = cloud.client("lowcloud").list_jobs(JobName="reading")["Jobs"]
    said = cloud.cli("rm", job["DataUrls"][0], check=False).stderr
    assert f"The training job reading is in progress and uses {job['DataUrls'][0]}" in said
    cloud.cli("stop", "reading")


def test_a_processing_job_is_described_and_stopped(cloud):
    cloud.cli("image", "add", "sleeper", "--command", "sleep 60")
    assert cloud.cli("image", "list").stdout == "Image\tRuns\nsleeper\tsleep 60\n"
    cloud.client("sagemaker").create_processing_job(
        ProcessingJobName="chores",
        RoleArn=cloud.role,
        AppSpecification={"ImageUri": "sleeper"},
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    )
    assert "Kind           processing job" in cloud.cli("describe", "chores").stdout
    refused = cloud.cli("interrupt", "chores", check=False).stderr
    assert "Stop it with: lowcloud stop chores" in refused
    assert cloud.cli("stop", "chores").stdout == "chores is stopping\n"
    wait_for(lambda: "Stopped" in cloud.cli("jobs", "-n", "1").stdout)


def test_bad_names_get_plain_sentences(cloud, tmp_path):
    for command, sentence in (
        (["interrupt", "a b"], "There is no job named 'a b'"),
        (["describe", "a b"], "There is no job, endpoint or model named 'a b'"),
        (["delete", "a b"], "There is no job, endpoint or model named 'a b'"),
        (["image", "add", "a b", "--command", "x"], "'a b' is not an image name"),
        (["image", "add", "x", "--command", "a 'b"], "cannot be read as a shell reads it: no closing quotation"),
        (["predict", "nothing", "data.csv"], "There is no endpoint 'nothing'"),
        (["image", "remove", ""], "'' is not an image name"),
        (["deploy", "nothing"], "There is no training job 'nothing'"),
        (["deploy", f"{name_of(0)}y"], f"Did you mean '{name_of(0)}'?"),
        (["describe", f"{name_of(0)}y"], f"Did you mean '{name_of(0)}'?"),
    ):
        done = cloud.cli(*command, check=False, cwd=tmp_path)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert not any(words in done.stderr for words in ("validation error", "Traceback", "arn:aws"))
