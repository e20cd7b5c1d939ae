"""Models with inference scripts, deployed and invoked through boto3."""

import io
import json
import tarfile
from typing import Any

import pytest
import urllib3

from tests.support.programs.greeting import BACKEND, PROJECT, SYSTEM
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = """
import pathlib, greeting
class Model:
    def __init__(self, factor): self.factor = factor
    def predict(self, rows): return rows.sum(axis=1) * self.factor
def model_fn(folder):
    print(greeting.WORD)
    return Model(float(pathlib.Path(folder, "factor").read_text()))
"""


def packed(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def deploy(cloud: Server, name: str, container: dict[str, Any]) -> str:
    """Create the endpoint `name`; its status once that is an end."""
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=cloud.role, PrimaryContainer={"Image": IMAGE, **container})
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def ended() -> str | None:
        status = sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        return None if status == "Creating" else str(status)

    return str(wait_for(ended))


@pytest.mark.parametrize("place", ["in the model", "in an archive of its own"])
def test_a_model_answers_by_its_script_in_the_environment_that_this_needs(
    server: Server, s3: Any, bucket: str, place: str
) -> None:
    code = {"inference.py": SCRIPT, "requirements.txt": "./greeting\n", "greeting/backend.py": BACKEND}
    code["greeting/pyproject.toml"] = PROJECT + SYSTEM
    files = {"factor": "10"}
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    if place == "in the model":
        files |= {f"code/{name}": text for name, text in code.items()}
    else:
        s3.put_object(Bucket=bucket, Key="source.tar.gz", Body=packed(code))
        variables["SAGEMAKER_SUBMIT_DIRECTORY"] = f"s3://{bucket}/source.tar.gz"
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=packed(files))
    name = f"script-{bucket}"
    container = {"ModelDataUrl": f"s3://{bucket}/model.tar.gz", "Environment": variables}
    assert deploy(server, name, container) == "InService"
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Accept="application/json", Body=b"1,2\n3,4\n"
    )
    assert json.loads(answer["Body"].read()) == [30.0, 70.0]
    server.client("sagemaker").delete_endpoint(EndpointName=name)


def test_a_model_whose_requirements_cannot_be_installed_fails_with_the_one_at_fault(
    server: Server, s3: Any, bucket: str
) -> None:
    files = {"code/inference.py": SCRIPT, "code/requirements.txt": "./absent\n"}
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=packed(files))
    name = f"fails-{bucket}"
    container = {"ModelDataUrl": f"s3://{bucket}/model.tar.gz", "Environment": {}}
    assert deploy(server, name, container) == "Failed"
    described = server.client("sagemaker").describe_endpoint(EndpointName=name)
    assert "absent" in described["FailureReason"]
    server.client("sagemaker").delete_endpoint(EndpointName=name)


WHO = """
import os
import botocore.session

def model_fn(folder):
    return None

def predict_fn(data, model):
    session = botocore.session.get_session()
    session.create_client("s3").list_buckets()
    who = session.create_client("sts").get_caller_identity()["Arn"]
    variables = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
    return [who, session.get_credentials().method, *(os.environ[name] for name in variables)]
"""


def test_a_script_acts_as_its_models_role_with_keys_that_are_renewed_until_the_endpoint_is_deleted(
    server: Server, s3: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=packed({"code/inference.py": WHO}))
    name = f"who-{bucket}"
    assert deploy(server, name, {"ModelDataUrl": f"s3://{bucket}/model.tar.gz"}) == "InService"
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="application/json", Accept="application/json", Body=b"[]"
    )
    who, method, url, token = json.loads(answer["Body"].read())
    role = server.role.rpartition("/")[2]
    assert who.endswith(f":assumed-role/{role}/SageMaker")
    assert method == "container-role", "botocore renews these"

    def fetch(with_token: str) -> int:
        return int(urllib3.request("GET", url, headers={"Authorization": with_token}, retries=False).status)

    assert fetch(token) == 200
    assert fetch("00") == fetch("x") == fetch(token[:-2]) == 403
    server.client("sagemaker").delete_endpoint(EndpointName=name)
    assert fetch(token) == 403
