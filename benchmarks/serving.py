"""One CSV row, one prediction: Lowcloud's InvokeEndpoint, signed and verified, compared with LitServe and MLflow.

    python benchmarks/serving.py [--peers .venv-peers/bin/python] [--seconds 5] [--connections 16]

The CPU time is that of the measured server: the gateway's does not include its replica's, which the row below shows.
All serve the same logistic regression on the same machine in the same run, with one process for the model. LitServe and
MLflow need a separate environment:

    python -m venv .venv-peers && .venv-peers/bin/pip install litserve mlflow scikit-learn
"""

import argparse
import io
import json
import os
import pickle
import secrets
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import boto3
import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from load import Load, load
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Input, Replica, Resources, Work
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel, save

HERE = Path(__file__).parent
KEY = Credentials("AKIALOWCLOUDBENCHMAR", secrets.token_urlsafe(30))
START_SECONDS = 120.0
SIGNED_REQUESTS = 2000
ROW = ",".join(f"{value:.9g}" for value in load_breast_cancer().data[0, :10])


def train() -> LogisticRegression:
    patients = load_breast_cancer()
    return LogisticRegression(max_iter=5000).fit(patients.data[:, :10], patients.target)


def packed_model(model: LogisticRegression) -> bytes:
    """Return the regression as a linear-learner artifact."""
    with tempfile.TemporaryDirectory() as folder, io.BytesIO() as packed:
        save(LinearModel("binary_classifier", "logistic", model.coef_.T, np.array(model.intercept_)), Path(folder))
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(folder, arcname=".")
        return packed.getvalue()


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as any_socket:
        return int(any_socket.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} did not start.")


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **environment}, process_group=0)
    try:
        wait_for(port, process)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(30)


Measure = Callable[[str, list[bytes], int], Load]  # (address, requests, pid) -> load


def lowcloud_endpoint(artifact: bytes, measure: Measure) -> Load:
    """Measure InvokeEndpoint through the gateway: SigV4 verified, routed, answered by a replica."""
    port = free_port()
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        keys = {
            "LOWCLOUD_ACCOUNT_ID": "123456789012",
            "LOWCLOUD_ROOT_ACCESS_KEY_ID": KEY.access_key,
            "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": KEY.secret_key,
        }
        command = [sys.executable, "-m", "lowcloud.cli", "up", "--home", home, "--port", str(port)]
        server = stack.enter_context(running(command, port, **keys))
        deploy(port, artifact)
        headers = {"Host": f"127.0.0.1:{port}", "Content-Type": "text/csv", "Accept": "application/json"}
        requests = [
            signed(f"http://127.0.0.1:{port}/endpoints/row/invocations", headers) for _ in range(SIGNED_REQUESTS)
        ]
        try:
            return measure(f"127.0.0.1:{port}", requests, server.pid)
        finally:  # a replica outlives its server but not its endpoint
            undeploy(port, Path(home))


def client(service: str, port: int) -> boto3.session.Session.client:
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
    )


def deploy(port: int, artifact: bytes) -> None:
    s3, sagemaker = client("s3", port), client("sagemaker", port)
    s3.create_bucket(Bucket="sagemaker-models")
    s3.put_object(Bucket="sagemaker-models", Key="model.tar.gz", Body=artifact)
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
    container = {"Image": image, "ModelDataUrl": "s3://sagemaker-models/model.tar.gz"}
    role = "arn:aws:iam::123456789012:role/LowcloudExecutionRole"
    sagemaker.create_model(ModelName="row", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "all", "ModelName": "row", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="row", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="row", EndpointConfigName="row")
    deadline = time.monotonic() + START_SECONDS
    while (status := sagemaker.describe_endpoint(EndpointName="row")["EndpointStatus"]) != "InService":
        if status == "Failed" or time.monotonic() > deadline:
            raise SystemExit(f"The endpoint is {status}.")
        time.sleep(0.1)


def undeploy(port: int, home: Path) -> None:
    client("sagemaker", port).delete_endpoint(EndpointName="row")
    while list(home.glob("work/*/0")):
        time.sleep(0.05)


def signed(url: str, headers: dict[str, str]) -> bytes:
    signed = AWSRequest("POST", url, data=ROW.encode(), headers=headers)
    SigV4Auth(KEY, "sagemaker", "us-east-1").add_auth(signed)
    return request("/endpoints/row/invocations", ROW.encode(), dict(signed.headers.items()))


def lowcloud_replica(artifact: bytes, measure: Measure) -> Load:
    """Measure the replica alone, on its unix socket; the difference is the cost of the gateway."""
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine(Path(folder) / "work", lambda _source: iter([artifact]))
        replica = Replica(archives=(Input("model", "model.tar.gz", len(artifact)),))
        command = ("python", "-m", "lowcloud.runtime.serving.serve", "linear-learner")
        engine.start(Work("row", command, (replica,), Resources(1, 1 << 30), serves=True))
        while (address := engine.address("row", 0)) is None:
            time.sleep(0.005)
        (lock,) = Path(folder).glob("work/*/0/lock")
        headers = {"Host": "replica", "Content-Type": "text/csv", "Accept": "application/json"}
        try:
            return measure(address, [request("/invocations", ROW.encode(), headers)], int(lock.read_text()))
        finally:
            engine.remove("row")
            engine.close()


def litserve(python: str, pickled: Path, measure: Measure) -> Load:
    port = free_port()
    body = json.dumps({"row": ROW}).encode()
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    with running([python, str(HERE / "peers/litserve_server.py"), str(pickled), str(port)], port) as server:
        return measure(f"127.0.0.1:{port}", [request("/predict", body, headers)], server.pid)


def mlflow(python: str, pickled: Path, measure: Measure) -> Load:
    port = free_port()
    folder = pickled.with_name("mlflow")
    subprocess.run(
        [python, str(HERE / "peers/mlflow_model.py"), str(pickled), str(folder)], check=True, capture_output=True
    )
    body = json.dumps({"inputs": [[float(cell) for cell in ROW.split(",")]]}).encode()
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    command = [python, "-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local", "-p", str(port)]
    path = f"{Path(python).parent}:{os.environ['PATH']}"
    with running([*command, "-h", "127.0.0.1", "-w", "1"], port, PATH=path) as server:
        return measure(f"127.0.0.1:{port}", [request("/invocations", body, headers)], server.pid)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peers", default=".venv-peers/bin/python")
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--connections", type=int, default=16)
    chosen = options.parse_args()

    def measure(address: str, requests: list[bytes], pid: int) -> Load:
        load(address, requests, chosen.connections, 1.0, pid)  # warms up both sides
        return load(address, requests, chosen.connections, chosen.seconds, pid)

    model = train()
    artifact = packed_model(model)
    results = {
        "Lowcloud InvokeEndpoint, signed": lowcloud_endpoint(artifact, measure),
        "Lowcloud replica alone": lowcloud_replica(artifact, measure),
    }
    if Path(chosen.peers).exists():
        with tempfile.TemporaryDirectory() as folder:
            pickled = Path(folder) / "model.pickle"
            pickled.write_bytes(pickle.dumps(model))
            results["LitServe"] = litserve(chosen.peers, pickled, measure)
            results["MLflow"] = mlflow(chosen.peers, pickled, measure)
    show(results, chosen.connections)


def show(results: dict[str, Load], connections: int) -> None:
    ours = next(iter(results.values()))
    table = Table(
        "server",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU us per request",
        "ours / this",
        title=f"{connections} connections",
    )
    for name, one in results.items():
        if one.failures:
            raise SystemExit(f"{name} failed {one.failures} requests; the last answer: {one.sample[:500]!r}")
        ratio = ours.requests_per_second / one.requests_per_second
        figures = (one.median_ms, one.p99_ms)
        row = (
            f"{one.requests_per_second:,.0f}",
            *(f"{figure:.2f}" for figure in figures),
            f"{one.cpu_us_per_request:.0f}",
        )
        table.add_row(name, *row, f"{ratio:.2f}")
    Console().print(table)
    for name, one in results.items():
        Console().print(f"{name}: {one.sample.decode()[:100]}", highlight=False)


if __name__ == "__main__":
    main()
