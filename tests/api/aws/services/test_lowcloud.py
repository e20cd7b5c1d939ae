"""Functions beyond AWS, through the CLI and the Lowcloud service: registered images, and interruptions."""

import io
import json
import sys
import tarfile
import textwrap
import venv
from typing import Any

import pytest

from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "sagemaker-own-programs"
NUMBERS = iter(range(1000))
CHECKPOINTING = """
    import os, pathlib, signal, sys, time
    steps = pathlib.Path("/opt/ml/checkpoints/steps")
    done = int(steps.read_text()) if steps.exists() else 0
    begun = done
    print("begins at", done, flush=True)
    while done < 30:
        done += 1
        steps.write_text(str(done))
        while done == 5 and not begun:  # until it is interrupted
            time.sleep(0.05)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "steps").write_text(str(done))
"""


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    server.client("s3").create_bucket(Bucket=BUCKET)
    return server


def put_source(cloud: Server, script: str) -> str:
    """The URL of a source archive with train.py."""
    content, text = io.BytesIO(), textwrap.dedent(script).encode()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("train.py")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    key = f"source-{next(NUMBERS)}/sourcedir.tar.gz"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content.getvalue())
    return f"s3://{BUCKET}/{key}"


def create(cloud: Server, image: str, source: str = "", **changes: Any) -> str:
    """The name of a new job that runs train.py of a source archive, or what the image means by itself."""
    name = f"own-{next(NUMBERS)}"
    script = {"sagemaker_program": json.dumps("train.py"), "sagemaker_submit_directory": json.dumps(source)}
    requested = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": cloud.role,
        "HyperParameters": script if source else {},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }
    cloud.client("sagemaker").create_training_job(**{**requested, **changes})
    return name


def describe(cloud: Server, name: str) -> dict[str, Any]:
    described: dict[str, Any] = cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
    return described


def at_end(cloud: Server, name: str) -> dict[str, Any]:
    def ended() -> Any:
        found = describe(cloud, name)
        return found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") and found

    found: dict[str, Any] = wait_for(ended, 60)
    return found


def log(cloud: Server, name: str) -> str:
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": f"{name}/"}
    return "\n".join(event["message"] for event in cloud.client("logs").filter_log_events(**group)["events"])


def test_the_cloud_describes_its_machine_how_it_isolates_programs_and_which_server_leads(cloud):
    found = cloud.client("lowcloud").describe_cloud()
    assert found["Cores"] >= 1
    assert found["Isolation"]["Description"].startswith("Each replica"), "the machine of the tests has namespaces"
    assert found["Leader"] == str(cloud.home)


def test_an_unknown_image_is_refused_with_the_command_that_registers_it(cloud):
    with pytest.raises(Exception, match=r"lowcloud image add my-model:3 --python VENV"):
        create(cloud, "my-model:3")


def test_an_environment_of_the_users_runs_scripts_under_the_image_name(cloud, tmp_path):
    venv.create(tmp_path / "mine", with_pip=False)
    assert "is registered" in cloud.cli("image", "add", "my-model", "--python", str(tmp_path / "mine")).stdout
    assert str(tmp_path / "mine") in cloud.cli("image", "list").stdout
    source = put_source(cloud, "import sys; print('prefix', sys.base_prefix, sys.version_info[:2])")
    name = create(cloud, "123456789012.dkr.ecr.us-east-1.amazonaws.com/my-model:7", source)
    assert at_end(cloud, name)["TrainingJobStatus"] == "Completed"
    assert str(tuple(sys.version_info[:2])) in log(cloud, name)
    cloud.cli("image", "remove", "my-model")
    assert "my-model" not in cloud.cli("image", "list").stdout


@pytest.mark.parametrize(
    ("source", "urls"), [(f"s3://{BUCKET}/plain.tar.gz", [f"s3://{BUCKET}/plain.tar.gz"]), ('"s3://no-json', [])]
)
def test_a_listed_job_names_its_code_whatever_its_hyperparameters_are(cloud, source, urls):
    cloud.cli("image", "add", "true:1", "--command", "true")
    name = create(cloud, "true:1", HyperParameters={"sagemaker_submit_directory": source})
    (job,) = cloud.client("lowcloud").list_jobs(JobName=name)["Jobs"]
    assert [url for url in job["DataUrls"] if "/output" not in url] == urls
    at_end(cloud, name)


def test_an_image_can_be_registered_as_a_command(cloud):
    command = "sh -c 'echo hello from $TRAINING_JOB_NAME; cp /opt/ml/input/config/hyperparameters.json /opt/ml/model'"
    cloud.cli("image", "add", "by-command:1", "--command", command)
    name = create(cloud, "by-command:1", HyperParameters={"colour": "blue"})
    assert at_end(cloud, name)["TrainingJobStatus"] == "Completed"
    assert f"hello from {name}" in log(cloud, name)
    cloud.cli("image", "remove", "by-command:1")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--python", "/nowhere"], "bin/python"),
        ([], "Give an image one of"),
        (["--container", "--command", "true"], "Give an image one of"),
        (["--requirements", "/nowhere.txt"], "cannot be read"),
    ],
)
def test_an_invalid_registration_is_refused(cloud, options, says):
    refused = cloud.cli("image", "add", "some", *options, check=False)
    assert refused.returncode == 1
    assert says in refused.stderr


def test_a_removed_image_cannot_be_removed_again(cloud):
    refused = cloud.cli("image", "remove", "nobody", check=False)
    assert "nobody" in refused.stderr
    assert refused.returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the program finds its folder at /opt/ml on Linux alone")
def test_an_interrupted_spot_job_continues_from_its_checkpoint(cloud):
    checkpoints = f"s3://{BUCKET}/checkpoints-{next(NUMBERS)}"
    name = create(
        cloud,
        "sagemaker-base-python-310",
        put_source(cloud, CHECKPOINTING),
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": checkpoints},
        StoppingCondition={"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200},
    )
    bucket, _, prefix = checkpoints.removeprefix("s3://").partition("/")
    s3 = cloud.client("s3")
    wait_for(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents"), 30)
    cloud.cli("interrupt", name)
    described = at_end(cloud, name)
    assert described["TrainingJobStatus"] == "Completed"
    begins = [int(line.split()[-1]) for line in log(cloud, name).splitlines() if line.startswith("begins at")]
    assert begins[0] == 0
    assert len(begins) == 2
    assert begins[1] > 0
    statuses = [one["Status"] for one in described["SecondaryStatusTransitions"]]
    assert statuses.count("Training") == 2
    assert "Interrupted" in statuses


def test_only_a_spot_job_can_be_interrupted(cloud):
    name = create(cloud, "sagemaker-base-python-310", put_source(cloud, "import time; time.sleep(60)"))
    refused = cloud.cli("interrupt", name, check=False)
    assert "spot" in refused.stderr
    cloud.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert "nobody" in cloud.cli("interrupt", "nobody", check=False).stderr


def test_a_source_without_its_script_fails_with_a_list_of_its_files(cloud):
    source = put_source(cloud, "print()")
    hyperparameters = {"sagemaker_program": '"absent.py"', "sagemaker_submit_directory": json.dumps(source)}
    name = create(cloud, "sagemaker-base-python-310", HyperParameters=hyperparameters)
    described = at_end(cloud, name)
    assert described["TrainingJobStatus"] == "Failed"
    assert "absent.py" in described["FailureReason"]
    assert "train.py" in described["FailureReason"]
