"""Script mode in the sandbox of an engine: environments are built once, and scripts run in them."""

import io
import json
import tarfile

import pytest

from lowcloud import contract
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Input, Replica, Resources, Work
from tests.support import engines
from tests.support.engines import MakeEngine, ended, output
from tests.support.programs.greeting import BACKEND, PROJECT, SYSTEM

RESOURCES = Resources(cpus=1, memory_bytes=1 << 30)
MODES = tuple(mode for mode in engines.MODES if mode != "landlock")
SCRIPT = ("python", "-m", "lowcloud.runtime.training.script")


@pytest.fixture(params=MODES)
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> LocalEngine:
    return make_engine(lambda source: iter([OBJECTS[source]]), mode=request.param)


def packed(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


TRAIN = """
import argparse, json, os, pathlib, sys
import greeting
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
arguments = parser.parse_args()
pathlib.Path(arguments.model_dir, "model.json").write_text(json.dumps([greeting.WORD, arguments.epochs]))
if pathlib.Path("/opt/ml/input/config").is_dir():
    pathlib.Path("/opt/ml/output/data/note").write_text("by a path of its own")
print("trained", sys.prefix)
"""
OBJECTS = {
    "code": packed(
        {"train.py": TRAIN, "greeting/backend.py": BACKEND, "greeting/pyproject.toml": PROJECT + SYSTEM},
    )
}
CODE = Input(contract.CODE, "code", len(OBJECTS["code"]))


def run(engine: LocalEngine, work: Work) -> list[str]:
    """The work's output; it must end well."""
    engine.start(work)
    (status,) = ended(engine, work.id)
    lines = output(engine, work.id)
    assert status.exit_code == 0, "\n".join(lines)
    return lines


def configuration(hyperparameters: dict[str, object]) -> dict[str, str]:
    quoted = {name: json.dumps(value) for name, value in hyperparameters.items()}
    return {
        contract.HYPERPARAMETERS: json.dumps(quoted),
        contract.INPUT_DATA_CONFIG: "{}",
        contract.RESOURCE_CONFIG: json.dumps(
            {
                "current_host": "algo-1",
                "hosts": ["algo-1"],
                "current_instance_type": "ml.m5.large",
                "network_interface_name": "lo",
            }
        ),
    }


def test_a_script_runs_in_the_environment_that_was_built_for_it(engine: LocalEngine) -> None:
    files = {contract.REQUIREMENTS: "./greeting\nnumpy\n"}
    builder = Replica(files=files, archives=(CODE,), variables={"PIP_NO_INDEX": "1"})
    command = ("python", "-m", "lowcloud.runtime.environments.build")
    said = run(engine, Work("environment/k", command, (builder,), RESOURCES, builds="k"))
    assert said[-1] == "The environment is ready."
    engine.publish_environment("environment/k")
    engine.remove("environment/k")

    job = Replica(files=configuration({"sagemaker_program": "train.py", "epochs": 3}), archives=(CODE,))
    said = run(engine, Work("training-job/j/0", SCRIPT, (job,), RESOURCES, environment="k"))
    assert said[-1].startswith("trained ")
    assert engine.read_file("training-job/j/0", 0, "model/model.json", 100) == b'["hello", 3]'
    if "/opt/ml" in engine.isolation():
        assert engine.read_file("training-job/j/0", 0, "output/data/note", 100) == b"by a path of its own"


def test_a_script_without_an_environment_sees_the_packages_of_the_server(engine: LocalEngine) -> None:
    OBJECTS["plain"] = packed({"train.py": "import numpy, sys, pip; print(sys.prefix != sys.base_prefix)"})
    archive = Input(contract.CODE, "plain", len(OBJECTS["plain"]))
    job = Replica(files=configuration({"sagemaker_program": "train.py"}), archives=(archive,))
    assert run(engine, Work("training-job/j/0", (*SCRIPT, "Said first."), (job,), RESOURCES))[::3] == [
        "Said first.",
        "True",
    ]
