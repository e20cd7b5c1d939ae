"""Tables of any form train the same model on a running cloud, and are predicted with labels as they are spelled."""

import json

import numpy as np
import pandas as pd
import pytest

import lowcloud
from lowcloud.sdk import storage
from lowcloud.sdk.connection import connect
from lowcloud.sdk.data import tables

pytestmark = pytest.mark.usefixtures("at_home")

RANDOM = np.random.default_rng(0)
COUNT = 200
PEOPLE = pd.DataFrame(
    {
        "age": RANDOM.integers(18, 80, COUNT),
        "city": RANDOM.choice(["Oslo", "Rome", "Bern, CH", None], COUNT),
        "member": RANDOM.choice(["yes", "no"], COUNT),
        "since": pd.to_datetime("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 300, COUNT), "D"),
    }
)
PEOPLE["left"] = np.where((PEOPLE.age > 50) ^ (PEOPLE.city == "Oslo"), "Yes", "No")
FEATURES = PEOPLE.drop(columns="left")
XGBOOST = {"num_round": 10}
LINEAR = {"epochs": 3, "num_models": 1}


@pytest.mark.parametrize(
    ("algorithm", "parameters", "accuracy"), [("xgboost", XGBOOST, 0.9), ("linear-learner", LINEAR, 0.6)]
)
def test_a_table_of_texts_and_dates_is_trained_and_predicted(tmp_path, algorithm, parameters, accuracy):
    job = lowcloud.train(algorithm, PEOPLE, parameters, target="left", validation=0.2, quiet=True)
    PEOPLE.to_csv(tmp_path / "rows.csv")
    with job.deploy() as endpoint:
        found = lowcloud.endpoint(endpoint.name).predict(FEATURES[FEATURES.columns[::-1]])
        assert np.mean(found == PEOPLE["left"]) > accuracy
        assert endpoint.predict(tmp_path / "rows.csv").tolist() == found.tolist()
        if algorithm == "linear-learner":
            with pytest.raises(lowcloud.InvalidInputError, match="The column 'age' has no value in row 0 of the rows"):
                endpoint.predict(FEATURES.assign(age=None))
        with pytest.raises(lowcloud.PredictionFailedError, match=r"refused the request: .*client error"):
            endpoint.invoke(b"nonsense", "application/json")
        chances = endpoint.predict(FEATURES, probabilities=True)
        assert list(chances.columns) == ["No", "Yes"]
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        if algorithm == "xgboost":
            assert np.where(chances["Yes"] > 0.5, "Yes", "No").tolist() == found.tolist()
        first = FEATURES.iloc[0]
        cells = [str(first["age"]), f'"{first["city"]}"', first["member"], first["since"].isoformat()]
        row = {"since": cells[3], "age": int(first["age"]), "city": first["city"], "member": cells[2]}
        for body, kind in ((",".join(cells), "text/csv"), (json.dumps({"instances": [row]}), "application/json")):
            answer, _ = endpoint.invoke(body.encode(), kind, "application/json")
            assert json.loads(answer)["predictions"][0]["score"] == pytest.approx(chances["Yes"][0])


def test_every_source_trains_the_same_model(tmp_path):
    table = tables.to_polars(PEOPLE)
    table.write_csv(tmp_path / "a.csv")
    (tmp_path / "parts").mkdir()
    table[:50].write_parquet(tmp_path / "parts" / "1.parquet")
    table[50:].select(table.columns[::-1]).write_parquet(tmp_path / "parts" / "2.parquet")
    place = storage.upload(connect(), {"day/rows.tsv": table.write_csv(separator="\t").encode(), "_SUCCESS": b""})
    sources = (PEOPLE, table, tmp_path / "a.csv", tmp_path / "parts", place)
    jobs = [lowcloud.train("xgboost", source, XGBOOST, target="left", wait=False) for source in sources]
    folders = [tmp_path / str(place) for place in range(len(jobs))]
    models = [
        {path.name: path.read_bytes() for path in job.wait(quiet=True).download(folder)}
        for job, folder in zip(jobs, folders, strict=True)
    ]
    assert set(models[0]) == {"xgboost-model", "transform.json"}
    assert all(model == models[0] for model in models)


def test_several_classes_of_numbers_and_texts_are_answered_in_their_own_spelling():
    colours = pd.Series(["red", "green", "blue"] * 20)
    frame = pd.DataFrame({"x": np.arange(60) % 3, "y": colours})
    with lowcloud.train("xgboost", frame, {"num_round": 5}, target="y", quiet=True).deploy() as endpoint:
        assert endpoint.predict([[0], [1], [2]]).tolist() == ["red", "green", "blue"]
        assert list(endpoint.predict([[0]], probabilities=True)) == ["blue", "green", "red"]
    parameters = {"objective": "multi:softmax", "num_round": 5}
    numbers = frame.assign(y=frame["x"] + 5)
    with lowcloud.train("xgboost", numbers, parameters, target="y", quiet=True).deploy() as endpoint:
        assert endpoint.predict({"x": [0, 2]}).tolist() == [5, 7]
        with pytest.raises(lowcloud.InvalidInputError, match="multi:softprob"):
            endpoint.predict({"x": [0]}, probabilities=True)


def test_a_classifier_of_an_array_returns_labels_and_a_raw_one_scores(tmp_path):
    rows = np.column_stack([np.arange(40) % 2, np.arange(40) % 2])
    parameters = {"objective": "binary:logistic", "num_round": 5}
    with lowcloud.train("xgboost", rows, parameters, quiet=True).deploy() as endpoint:
        assert endpoint.predict([[0], [1]]).tolist() == [0, 1]
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", fmt="%d")
    with lowcloud.train("xgboost", tmp_path / "rows.csv", parameters, raw=True, quiet=True).deploy() as endpoint:
        assert 0 < endpoint.predict([[1]])[0] < 1


def test_too_much_data_is_refused_before_anything_is_sent(tmp_path, monkeypatch):
    for number in range(1001):
        (tmp_path / f"{number}.csv").write_text("1,2\n")
    with pytest.raises(lowcloud.InvalidInputError, match=r"This would send 1,001 files, 4 kB. .* allow_large=True"):
        lowcloud.train("xgboost", tmp_path, XGBOOST, quiet=True)
    assert lowcloud.train("xgboost", tmp_path, XGBOOST, allow_large=True, quiet=True).status == "Completed"
    with pytest.raises(lowcloud.InvalidInputError, match="This would send 1,001 files"):
        lowcloud.train(lambda data: len, tmp_path, quiet=True)
    monkeypatch.chdir(tmp_path)


def test_what_was_done_is_said_unless_quiet(capsys):
    job = lowcloud.train("xgboost", PEOPLE, XGBOOST, target="left")
    assert "labels of 'left' are 'No', 'Yes'; 'city' is 4 columns" in capsys.readouterr().err
    assert job.parameters["objective"] == "binary:logistic"
    lowcloud.train("xgboost", PEOPLE, XGBOOST, target="left", quiet=True)
    assert capsys.readouterr().err == ""
