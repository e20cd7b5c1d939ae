"""The modules of SageMaker's framework containers, as scripts import and call them."""

import io
import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

from lowcloud.runtime.environments import framework_modules, overlay_venv

IMPORTS = """
import sagemaker_containers
from sagemaker_containers import entry_point
from sagemaker_containers.beta.framework import content_types, encoders, env, errors, modules, transformer, worker
from sagemaker_huggingface_inference_toolkit import content_types, decoder_encoder
from sagemaker_inference import content_types, decoder, default_inference_handler, encoder, errors, utils
from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.transformer import Transformer
from sagemaker_pytorch_container.training import train
from sagemaker_pytorch_serving_container import handler_service
from sagemaker_pytorch_serving_container.default_inference_handler import DefaultPytorchInferenceHandler
from sagemaker_sklearn_container import serving
from sagemaker_training import entry_point, environment, files, functions, logging_config, params
from sagemaker_xgboost_container import checkpointing, data_utils, distributed, encoder
from sagemaker_xgboost_container.constants import xgb_content_types
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the modules at the end of the path."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(framework_modules.FOLDER)])


def run(python: str, code: str, *arguments: str, **environment: str) -> str:
    command = [python, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout


def test_every_public_name_is_found_in_an_overlay_and_an_installed_package_of_that_name_before_it(tmp_path: Path):
    python = overlay_venv.create(tmp_path / "overlay", sys.executable)
    assert python is not None
    framework_modules.add_to_environment(tmp_path / "overlay")
    assert run(python, f"{IMPORTS}print(handler_service.__file__)").startswith(str(framework_modules.FOLDER))
    packages = next((tmp_path / "overlay").glob("lib/python3*/site-packages"))
    (packages / "sagemaker_inference.py").write_text("REAL = True")
    assert run(python, "import sagemaker_inference; print(sagemaker_inference.REAL)") == "True\n"
    (tmp_path / "sagemaker_training.py").write_text("OWN = True")
    code = "import sagemaker_training, sagemaker_containers; print(sagemaker_training.OWN)"
    assert run(python, code, PYTHONPATH=str(tmp_path)) == "True\n", "a module of the user's code"


def test_the_environment_of_a_script_is_that_of_its_variables_and_files(tmp_path: Path):
    (tmp_path / "input/config").mkdir(parents=True)
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    (tmp_path / "input/config/resourceconfig.json").write_text(json.dumps(hosts))
    (tmp_path / "input/config/hyperparameters.json").write_text(
        json.dumps({"depth": "5", "sagemaker_program": '"a.py"'})
    )
    code = """
from sagemaker_training import environment
from sagemaker_containers.beta import framework
env = environment.Environment()
assert dict(framework.training_env()) == dict(env)
print(env.hosts, env.is_master, env["hyperparameters"], env.to_cmd_args(), env.user_entry_point, env.model_dir)
"""
    variables = {"PYTHONPATH": str(framework_modules.FOLDER), "SAGEMAKER_BASE_DIR": str(tmp_path)}
    printed = run(sys.executable, code, **variables)
    assert printed == f"['algo-1', 'algo-2'] False {{'depth': 5}} ['--depth', '5'] a.py {tmp_path}/model\n"
    printed = run(sys.executable, code, **variables, SM_TRAINING_ENV=json.dumps({"model_dir": "/there"}))
    assert printed.endswith("/there\n")


def test_arrays_are_encoded_and_decoded_as_the_toolkits_do(modules: None):
    from sagemaker_containers.beta.framework import encoders, errors
    from sagemaker_inference import decoder, encoder

    rows = np.array([[1, 2.5], [3, 4]])
    assert encoders.encode(rows, "text/csv") == "1.0,2.5\n3.0,4.0\n"
    assert encoder.encode({"scores": rows}, "application/json") == '{"scores": [[1.0, 2.5], [3.0, 4.0]]}'
    for kind in ("text/csv", "application/json; charset=utf-8", "application/x-npy"):
        np.testing.assert_array_equal(decoder.decode(encoder.encode(rows, kind), kind), rows)
    with pytest.raises(errors.UnsupportedFormatError) as raised:
        decoder.decode(b"", "image/png")
    assert raised.value.status_code == 415


def test_a_channel_becomes_a_matrix_in_every_format(modules: None, tmp_path: Path):
    from sagemaker_xgboost_container import data_utils, encoder

    assert data_utils.get_dmatrix(str(tmp_path / "absent"), "csv") is None
    (tmp_path / "a.csv").write_text("1,0.5,2\n0,,3\n")
    (tmp_path / "b.csv").write_text("1;4;5\n")
    (tmp_path / "_SUCCESS").touch()
    matrix = data_utils.get_dmatrix(str(tmp_path), "text/csv; charset=utf-8")
    assert matrix.get_label().tolist() == [1, 0, 1]
    assert (matrix.num_row(), matrix.num_col(), matrix.num_nonmissing()) == (3, 2, 5)
    (tmp_path / "w.csv").write_text("1,0.5,2\n0,0.25,3\n")
    weighted = data_utils.get_dmatrix(str(tmp_path / "w.csv"), "csv", csv_weights=1)
    assert weighted.get_weight().tolist() == [0.5, 0.25]
    assert weighted.num_col() == 1
    (tmp_path / "c.libsvm").write_text("1 0:1 2:3\n\n0:0.5 1:2 # half\n")
    matrix = data_utils.get_dmatrix(str(tmp_path / "c.libsvm"), "text/x-libsvm")
    assert matrix.get_label().tolist() == [1, 0]
    assert matrix.get_weight().tolist() == [1, 0.5]
    assert matrix.get_data().toarray().tolist() == [[1, 0, 3], [0, 2, 0]]
    (tmp_path / "c.libsvm").write_text("1 0:1\n1 2:1 2:3\n")
    with pytest.raises(Exception, match=r"line 2 is not libsvm: an index occurs twice"):
        data_utils.get_dmatrix(str(tmp_path / "c.libsvm"), "text/x-libsvm")
    (tmp_path / "bad.csv").write_text("1,2\n3,4,5\n")
    with pytest.raises(Exception, match=r"line 2 has 3 fields, the first has 2"):
        data_utils.get_dmatrix(str(tmp_path / "bad.csv"), "csv")
    assert encoder.decode("1,2\n3,4\n", "text/csv").num_row() == 2
    assert encoder.decode("0:1 2:3\n", "text/libsvm").get_data().toarray().tolist() == [[1, 0, 3]]


def test_training_continues_from_the_last_checkpoint_that_can_be_read(modules: None, tmp_path: Path, capsys):
    from sagemaker_xgboost_container import checkpointing

    random = np.random.default_rng(3)
    rows = random.random((200, 4))
    matrix = xgboost.DMatrix(rows, rows @ [1, -2, 3, 0.5])
    arguments = {"params": {"max_depth": 3, "nthread": 1}, "dtrain": matrix, "num_boost_round": 12}
    expected = xgboost.train(**arguments).predict(matrix)
    folder = tmp_path / "checkpoints"
    checkpointing.train({**arguments, "num_boost_round": 8}, str(folder))
    assert sorted(one.name for one in folder.iterdir()) == [f"xgboost-checkpoint.{number}" for number in range(3, 8)]
    (folder / "xgboost-checkpoint.7").write_bytes(b"cut off")
    booster = checkpointing.train(arguments, str(folder))
    assert "Resuming from iteration 7" in capsys.readouterr().out
    assert booster.num_boosted_rounds() == 12
    np.testing.assert_allclose(booster.predict(matrix), expected, rtol=1e-5)
    assert checkpointing.train(arguments, str(folder)).num_boosted_rounds() == 12, "nothing is left to do"


RANK = """
import sys, numpy as np, xgboost
from sagemaker_xgboost_container import distributed
host, part = sys.argv[1:3]
ports = dict(zip(("first_port", "second_port"), map(int, sys.argv[3:])))
x = np.arange(40.0).reshape(20, 2) % 7
y = x[:, 0] * 2 + x[:, 1]
rows = {"first": slice(0, 10), "second": slice(10, 20), "all": slice(0, 20), "none": slice(0, 0)}[part]

def train(matrix, is_master):
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, matrix, 3)
    print(host, is_master, booster.predict(xgboost.DMatrix(x[:3])).round(4).tolist())

matrix = xgboost.DMatrix(x[rows], y[rows]) if part != "none" else None
distributed.rabit_run(train, {"matrix": matrix}, matrix is not None, ["127.0.0.1", "127.0.0.2"], host,
                      update_rabit_args=True, **ports)
"""


@pytest.mark.parametrize("parts", [("first", "second"), ("none", "all")])
def test_hosts_train_one_model_of_the_rows_of_all_that_have_some(parts: tuple[str, str]):
    x = np.arange(40.0).reshape(20, 2) % 7
    matrix = xgboost.DMatrix(x, x[:, 0] * 2 + x[:, 1])
    alone = xgboost.train({"max_depth": 2, "nthread": 1}, matrix, 3).predict(xgboost.DMatrix(x[:3])).round(4).tolist()
    environment = {"PYTHONPATH": str(framework_modules.FOLDER)}
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as another:
        ports = [str(free.getsockname()[1]) for free in (one, another)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, f"127.0.0.{rank + 1}", part, *ports],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank, part in enumerate(parts)
    ]
    lines = "".join(one.communicate(timeout=60)[0] for one in processes).splitlines()
    printed = sorted(line for line in lines if line.startswith("127."))
    assert [one.returncode for one in processes] == [0, 0]
    ranks = [(rank, part) for rank, part in enumerate(parts) if part != "none"]
    assert [line.split(" [")[0] for line in printed] == [
        f"127.0.0.{rank + 1} {position == 0}" for position, (rank, _) in enumerate(ranks)
    ]
    for line in printed:
        np.testing.assert_allclose(json.loads(line[line.index("[") :]), alone, atol=1e-3)


def test_a_container_s_server_is_refused_with_what_to_do(modules: None):
    from sagemaker_inference import model_server

    with pytest.raises(RuntimeError, match="Lowcloud runs the model server itself"):
        model_server.start_model_server(handler_service="handler")


def test_documents_of_huggingface_are_decoded_and_encoded(modules: None):
    from sagemaker_huggingface_inference_toolkit import decoder_encoder

    assert decoder_encoder.decode(b'{"inputs": "hi"}', "application/json") == {"inputs": "hi"}
    assert decoder_encoder.decode("inputs\nhi\nyou\n", "text/csv") == {"inputs": ["hi", "you"]}
    assert decoder_encoder.encode([{"score": np.float32(0.5)}], "application/json") == '[{"score": 0.5}]'
    assert io.StringIO(decoder_encoder.encode([{"label": "a"}], "text/csv")).readlines()[-1].strip() == "a"
