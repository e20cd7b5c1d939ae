"""Models come back as they were, and files bring no code in."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cloud_storage_service
from cloud_storage_service import NotTrusted
from lowcloud.runtime.algorithms.linear_learner.model import Model

X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
Y = X @ np.array([1.0, 2.0]) + 3.0


class Attack:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, proof: Path):
        self.proof = proof

    def __reduce__(self):
        return (Path.touch, (self.proof,))


def test_the_example_saves_a_regression_and_loads_it_again(tmp_path):
    model = LinearRegression().fit(X, Y)
    path = tmp_path / "models" / "linear_regression_model.pkl"
    cloud_storage_service.save_model(model, str(path))
    assert np.allclose(cloud_storage_service.load_model(str(path)).predict(X), Y)


def test_a_pipeline_keeps_all_its_steps(tmp_path):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y > 8)
    cloud_storage_service.save_model(model, tmp_path / "model")
    loaded = cloud_storage_service.load_model(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_lowcloud_model_comes_back_with_its_weights_and_threshold(tmp_path):
    model = Model("binary_classifier", "logistic", np.array([[1.0], [-2.0]]), np.array([0.5]), threshold=0.1)
    cloud_storage_service.save_model(model, tmp_path / "model.tar.gz")
    loaded = cloud_storage_service.load_model(tmp_path / "model.tar.gz")
    assert np.array_equal(loaded.weights, model.weights)
    assert loaded.threshold == 0.1


def test_a_type_that_cannot_be_checked_needs_trust(tmp_path):
    model = RandomForestClassifier(3, random_state=0).fit(X, Y > 8)
    cloud_storage_service.save_model(model, tmp_path / "forest")
    with pytest.raises(NotTrusted, match="Tree"):
        cloud_storage_service.load_model(tmp_path / "forest")
    loaded = cloud_storage_service.load_model(tmp_path / "forest", trust=True)
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_a_pickle_runs_nothing_unless_it_is_trusted(tmp_path):
    path, proof = tmp_path / "model.pkl", tmp_path / "proof"
    path.write_bytes(pickle.dumps(Attack(proof)))
    with pytest.raises(NotTrusted, match="trust=True"):
        cloud_storage_service.load_model(path)
    assert not proof.exists()
    cloud_storage_service.load_model(path, trust=True)
    assert proof.exists()


def test_an_archive_that_climbs_out_of_its_folder_is_refused(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    (tmp_path / "model").write_bytes(packed.getvalue())
    with pytest.raises(tarfile.OutsideDestinationError):
        cloud_storage_service.load_model(tmp_path / "model")


def test_a_failed_save_keeps_the_old_model(tmp_path):
    path = tmp_path / "model"
    cloud_storage_service.save_model(LinearRegression().fit(X, Y), path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="neither a scikit-learn"):
        cloud_storage_service.save_model(object(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
