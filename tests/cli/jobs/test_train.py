"""`lowcloud train`, and what is done with its jobs: `deploy`, `predict`, `stop`, `delete`."""

import json
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from lowcloud.cli.terminal.options import parse_reading
from tests.support.servers.server import Server

SCRIPT = """\
import argparse, json, os
import joblib, pandas as pd
from sklearn.tree import DecisionTreeClassifier

def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int)
    parser.add_argument("--name")
    given = parser.parse_args()
    print("given", given.depth, given.name)
    data = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "data.csv"))
    model = DecisionTreeClassifier(max_depth=given.depth, random_state=0).fit(data.iloc[:, :-1], data["label"])
    print(f"accuracy={model.score(data.iloc[:, :-1], data['label'])}")
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data with a header, rows without a label, and a script."""
    patients = load_breast_cancer(as_frame=True)
    frame = patients.data.iloc[:, :5].assign(label=patients.target)
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.head(3).drop(columns="label").to_csv(tmp_path / "rows.csv", index=False)
    frame.head(3).drop(columns="label").to_csv(tmp_path / "bare.csv", index=False, header=False)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def test_a_built_in_algorithm_is_trained_and_deployed_and_predicts(server: Server, folder):
    options = ["--target", "label", "--validation", "0.2", "-p", "predictor_type=binary_classifier", "-p", "epochs=3"]
    done = server.cli("train", "linear-learner", "data.csv", *options, "--name", "ll", "--deploy", cwd=folder)
    assert "ll: completed after" in done.stdout
    assert "ll is in service; query it with: lowcloud predict ll rows.csv" in done.stdout
    assert "It runs until it is deleted with: lowcloud delete ll" in done.stdout
    answers = [server.cli("predict", "ll", rows, cwd=folder).stdout for rows in ("rows.csv", "bare.csv", "data.csv")]
    assert answers[0] == answers[1]
    assert answers[2].startswith(answers[0])
    assert {json.loads(line) for line in answers[0].split()} <= {0, 1}
    of_job = server.cli("logs", "ll")
    assert "The log of the endpoint ll is shown by: lowcloud logs --endpoint ll" in of_job.stderr
    of_endpoint = server.cli("logs", "ll", "--endpoint")
    assert "Serving" in of_endpoint.stdout
    assert "Serving" not in of_job.stdout
    assert of_endpoint.stderr == ""
    stopped = server.cli("stop", "ll").stdout
    assert "ll has already ended: Completed" in stopped
    assert "Its endpoint ll still runs; delete it with: lowcloud delete ll" in stopped
    server.cli("deploy", "ll", "--name", "ll-again")
    assert server.cli("predict", "ll-again", "rows.csv", cwd=folder).stdout == answers[0]
    assert "Its endpoint ll-again still runs" in server.cli("stop", "ll").stdout
    assert "ll is deleted" in server.cli("delete", "ll").stdout
    assert "ll-again is deleted" in server.cli("stop", "--endpoint", "ll-again").stdout
    assert "still runs" not in server.cli("stop", "ll").stdout
    assert "There is no endpoint 'll'" in server.cli("predict", "ll", "rows.csv", cwd=folder, check=False).stderr


def test_a_script_is_trained_with_its_parameters(server: Server, folder):
    options = ["-p", "depth=2", "-p", "name=a tree", "--metric", r"accuracy=accuracy=(\S+)", "--tag", "team=a"]
    done = server.cli("train", "train.py", "data.csv", *options, "--name", "shelltree", "--deploy", cwd=folder)
    assert "given 2 a tree" not in done.stdout, "off a terminal, only changes of state and the result are printed"
    assert "shelltree: completed after" in done.stdout
    assert "given 2 a tree" in server.cli("logs", "shelltree").stdout
    assert "accuracy=0.8946" in done.stdout.rsplit("metrics", 1)[1]
    assert server.cli("predict", "shelltree", "rows.csv", cwd=folder).stdout == "0\n0\n0\n"


def test_a_detached_job_is_stopped(server: Server, folder):
    (folder / "train.py").write_text("import time\ntime.sleep(600)\n")
    done = server.cli("train", "train.py", "data.csv", "--detach", "--name", "long", cwd=folder)
    assert "lowcloud logs --follow long" in done.stdout
    assert "long is stopping" in server.cli("stop", "long").stdout
    followed = server.cli("logs", "--follow", "long")
    assert followed.returncode == 0
    assert "long has already ended: Stopped" in server.cli("stop", "long").stdout
    assert "Model" not in server.cli("describe", "long").stdout
    undeployed = server.cli("deploy", "long", check=False)
    assert undeployed.stderr == "The job long was stopped before it saved a model.\n"
    kept = server.cli("delete", "long", check=False)
    assert kept.stderr == "long is a training job; jobs are kept. No endpoint or model has this name.\n"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["train", "xgbost", "data.csv"], "Did you mean 'xgboost'"),
        (["train", "fail.py", "data.csv"], "no such luck"),
        (["train", "xgboost", "named.csv"], "Set --target to the label column"),
        (
            ["train", "xgboost", "named.csv", "--target", "lable"],
            "no column 'lable' in named.csv. Did you mean 'label'?",
        ),
        (["stop", "nothing"], "There is no job, endpoint or model named 'nothing'"),
        (["predict", "nothing", "rows.csv"], "There is no endpoint 'nothing'"),
    ],
)
def test_an_error_is_a_message_without_a_traceback(server: Server, folder, command, sentence):
    (folder / "fail.py").write_text("raise SystemExit('no such luck')\n")
    (folder / "named.csv").write_text("a,label\n1,2\n3,4\n")
    done = server.cli(*command, cwd=folder, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    is_refused = "fail.py" not in command
    assert not is_refused or "Data and code" not in done.stderr, "nothing is sent"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-p", "epochs"], "--parameter 'epochs' must have the form NAME=VALUE"),
        (["--metric", "acc"], "--metric 'acc' must have the form NAME=REGEX"),
        (["--tag", "foo"], "--tag 'foo' must have the form KEY=VALUE"),
        (["--reading", "types=label:text"], "must have the form types=COLUMN=TYPE"),
        (["--detach", "--deploy"], "cannot be combined with --detach"),
    ],
)
def test_wrong_usage_is_a_message_with_the_syntax_and_exit_code_2(server: Server, folder, options, sentence):
    done = server.cli("train", "linear-learner", "data.csv", *options, cwd=folder, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_types_of_columns_are_read_as_pairs_or_json():
    given = ["delimiter=;", "types=a=text", "types=b=number"]
    assert parse_reading(given) == {"delimiter": ";", "types": {"a": "text", "b": "number"}}
    assert parse_reading(['types={"a": "text"}']) == {"types": {"a": "text"}}


def test_labels_and_probabilities_are_printed(server: Server, folder):
    patients = load_breast_cancer(as_frame=True)
    frame = patients.data.iloc[:, :3].assign(label=patients.target.map({0: "malignant", 1: "benign"}))
    frame.to_csv(folder / "named.csv", index=False)
    frame.head(4).to_csv(folder / "some.csv", index=False)
    options = [
        "--target",
        "label",
        "-p",
        "objective=binary:logistic",
        "-p",
        "num_round=3",
        "--deploy",
        "--name",
        "words",
    ]
    done = server.cli("train", "xgboost", "named.csv", *options, cwd=folder)
    assert "Data and code: 1 file" in done.stderr
    labels = server.cli("predict", "words", "some.csv", cwd=folder).stdout.split()
    assert set(labels) <= {"malignant", "benign"}
    shown = server.cli("predict", "words", "some.csv", "--probabilities", cwd=folder).stdout
    head, *rows = [line.split("\t") for line in shown.splitlines()]
    assert sorted(head) == ["benign", "malignant"]
    assert [head[max(range(2), key=lambda place, row=row: float(row[place]))] for row in rows] == labels
    assert all(abs(sum(map(float, row)) - 1) < 1e-4 for row in rows)
    frame.head(4).to_csv(folder / "semicolons.csv", index=False, sep=";")
    read = server.cli("predict", "words", "semicolons.csv", "--reading", "delimiter=;", cwd=folder).stdout
    assert read.split() == labels
    server.cli("delete", "words")


def test_much_data_is_sent_only_if_that_is_confirmed(server: Server, folder):
    (folder / "many").mkdir()
    for number in range(1001):
        (folder / "many" / f"{number}.txt").write_text("x")
    (folder / "train.py").write_text("print('trained')\n")
    refused = server.cli("train", "train.py", "many", "--name", "much", cwd=folder, check=False)
    assert (refused.returncode, "Send 1,002 files" in refused.stderr) == (1, True)
    assert "add --yes to confirm" in refused.stderr
    assert "There is no job named 'much'" in server.cli("interrupt", "much", check=False).stderr
    assert "much: completed" in server.cli("train", "train.py", "many", "--name", "much", "--yes", cwd=folder).stdout
    refused = server.cli("train", "xgboost", ".", "-p", "num_round=1", cwd=folder, check=False)
    assert refused.returncode == 1
    assert "data" in refused.stderr
