"""Seconds of `lowcloud up`, and of fit() and deploy() with the SageMaker SDK; idle memory of the server.

    .venv/bin/python benchmarks/fit_and_deploy.py

fit() and deploy() run in a separate program under `lowcloud run`, in .venv-sagemaker; the result is the median of the
rounds after the first. Memory is the proportional set size of the server and its warm parent, idle after a job.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SDK_PYTHON = ROOT / ".venv-sagemaker" / "bin" / "python"
ROUNDS = 5
TARGETS = {"up": 1.5, "fit": 2.0, "deploy": 2.0, "memory": 200.0}


def measure_up(home: Path) -> float:
    """Return the seconds until the command prints that the server is ready. The server keeps running."""
    start = time.perf_counter()
    _lowcloud(home, "up", "--detach", "--port", "0")
    return time.perf_counter() - start


def measure_sdk(home: Path) -> dict[str, float]:
    """Return the median seconds of fit() and deploy()."""
    command = [sys.executable, "-m", "lowcloud.cli", "run", str(SDK_PYTHON), "-W", "ignore", __file__, "--inside"]
    environment = {**os.environ, "LOWCLOUD_HOME": str(home), "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(printed.rsplit("RESULT ", 1)[1])
    return found


def measure_memory(home: Path) -> float:
    """Return the megabytes of all processes of a home, counting shared pages once."""
    server = json.loads((home / "server.json").read_text())["pid"]
    return sum(_proportional_bytes(pid) for pid in [server, *_children(server)]) / 1e6


def inside() -> None:
    """Run the rounds, as a user's program."""
    import numpy as np
    import sagemaker
    from sagemaker import get_execution_role
    from sagemaker.amazon.amazon_estimator import get_image_uri

    session = sagemaker.Session()
    bucket = session.default_bucket()
    random = np.random.default_rng(0)
    x = random.normal(size=(569, 10))
    y = (x @ random.normal(size=10) > 0).astype(int)
    rows = "\n".join(",".join(map(str, [label, *row])) for label, row in zip(y, x, strict=True))
    session.upload_string_as_file_body(rows, bucket=bucket, key="my-data/train.csv")
    image = get_image_uri(session.boto_region_name, "linear-learner")
    seconds: dict[str, list[float]] = {"fit": [], "deploy": []}
    for _ in range(ROUNDS):
        linear = sagemaker.estimator.Estimator(
            image, get_execution_role(), instance_count=1, instance_type="ml.c4.xlarge", sagemaker_session=session
        )
        linear.set_hyperparameters(feature_dim=10, predictor_type="binary_classifier")
        start = time.perf_counter()
        linear.fit({"train": f"s3://{bucket}/my-data"})
        seconds["fit"].append(time.perf_counter() - start)
        start = time.perf_counter()
        predictor = linear.deploy(initial_instance_count=1, instance_type="ml.m4.xlarge")
        seconds["deploy"].append(time.perf_counter() - start)
        predictor.delete_endpoint()
    print("RESULT", json.dumps({name: statistics.median(all_of[1:]) for name, all_of in seconds.items()}))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _proportional_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _lowcloud(home: Path, *arguments: str) -> None:
    environment = {**os.environ, "LOWCLOUD_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "lowcloud.cli", *arguments], env=environment, check=True, capture_output=True)


def main() -> None:
    """Print each figure next to its target."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        found = {"up": measure_up(home)}
        _lowcloud(home, "down")
        found["up"] = min(found["up"], measure_up(home))
        found |= measure_sdk(home)
        time.sleep(2)
        found["memory"] = measure_memory(home)
        _lowcloud(home, "down")
    print(f"{'':10}{'measured':>10}{'target':>10}{'share':>8}")
    for name, value in found.items():
        unit = "MB" if name == "memory" else "s"
        print(f"{name:10}{value:8.2f} {unit:2}{TARGETS[name]:8.1f} {unit:2}{value / TARGETS[name]:7.2f}")


if __name__ == "__main__":
    inside() if "--inside" in sys.argv else main()
