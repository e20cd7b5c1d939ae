"""Saved models are restored unchanged, and files cannot run code."""

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cloud_storage_service
from cloud_storage_service import NotTrustedError
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel

X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
Y = X @ np.array([1.0, 2.0]) + 3.0


class Attack:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, proof: Path):
        self.proof = proof

    def __reduce__(self):
        return (Path.touch, (self.proof,))


def test_a_regression_is_saved_and_loaded_as_in_the_example(tmp_path):
    model = LinearRegression().fit(X, Y)
    path = tmp_path / "models" / "linear_regression_model.pkl"
    cloud_storage_service.save_model(model, str(path))
    assert np.allclose(cloud_storage_service.load_model(str(path)).predict(X), Y)


def test_a_pipeline_is_restored_with_all_its_steps(tmp_path):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y > 8)
    cloud_storage_service.save_model(model, tmp_path / "model")
    loaded = cloud_storage_service.load_model(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_lowcloud_model_is_restored_with_its_weights_and_threshold(tmp_path):
    model = LinearModel("binary_classifier", "logistic", np.array([[1.0], [-2.0]]), np.array([0.5]), threshold=0.1)
    cloud_storage_service.save_model(model, tmp_path / "model.tar.gz")
    loaded = cloud_storage_service.load_model(tmp_path / "model.tar.gz")
    assert np.array_equal(loaded.weights, model.weights)
    assert loaded.threshold == 0.1


def test_a_type_that_cannot_be_verified_needs_trust(tmp_path):
    model = RandomForestClassifier(3, random_state=0).fit(X, Y > 8)
    cloud_storage_service.save_model(model, tmp_path / "forest")
    with pytest.raises(NotTrustedError, match="Tree"):
        cloud_storage_service.load_model(tmp_path / "forest")
    loaded = cloud_storage_service.load_model(tmp_path / "forest", trust=True)
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_a_pickle_runs_nothing_unless_it_is_trusted(tmp_path):
    path, proof = tmp_path / "model.pkl", tmp_path / "proof"
    path.write_bytes(pickle.dumps(Attack(proof)))
    with pytest.raises(NotTrustedError, match="trust=True"):
        cloud_storage_service.load_model(path)
    assert not proof.exists()
    cloud_storage_service.load_model(path, trust=True)
    assert proof.exists()


def packed_tar(*names: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return packed.getvalue()


def packed_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "no model")
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [packed_tar("../outside"), packed_tar("model.json", "weights.npy"), gzip.compress(b"no tar"), packed_zip()],
    ids=["tar with ..", "empty tar", "other gzip", "other zip"],
)
def test_a_file_without_a_model_is_refused_and_leaves_no_files(tmp_path, content):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model").write_bytes(content)
    with pytest.raises(ValueError, match="contains no"):
        cloud_storage_service.load_model(tmp_path / "folder" / "model")
    assert [file.name for file in tmp_path.rglob("*")] == ["folder", "model"]


def test_a_pickle_of_an_unknown_module_is_refused(tmp_path):
    (tmp_path / "model").write_bytes(b"cno_such_module\nModel\n.")
    with pytest.raises(ValueError, match="no_such_module"):
        cloud_storage_service.load_model(tmp_path / "model", trust=True)


def test_a_failed_save_keeps_the_old_model(tmp_path):
    path = tmp_path / "model"
    cloud_storage_service.save_model(LinearRegression().fit(X, Y), path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="neither a scikit-learn"):
        cloud_storage_service.save_model(object(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_the_former_name_of_the_error_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match="NotTrustedError"):
        assert cloud_storage_service.NotTrusted is NotTrustedError
