"""Framework images, as written by the SDKs, are resolved to libraries that are installed or to be installed."""

import sys

import pytest

from lowcloud.catalog import frameworks
from lowcloud.catalog.frameworks import SKLEARN, TORCH, Library

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "family"),
    [
        (f"{REGISTRY}/sagemaker-scikit-learn:1.2-1-cpu-py3", "scikit-learn"),
        (f"{REGISTRY}/sagemaker-xgboost:1.7-1", "XGBoost"),
        (f"{REGISTRY}/pytorch-training:2.3.0-cpu-py311", "PyTorch"),
        (f"{REGISTRY}/huggingface-pytorch-inference:2.1.0-transformers4.37.0-cpu-py310-ubuntu22.04", "HuggingFace"),
        (f"{REGISTRY}/tensorflow-training:2.13.0-cpu-py310", "TensorFlow"),
        ("x/sagemaker-base-python-310:1.0", "Python"),
        ("x/sagemaker-distribution-prod:3.2.0-cpu", "Python"),
    ],
)
def test_a_framework_image_is_identified_by_its_repository(image: str, family: str) -> None:
    found = frameworks.find(image)
    assert found and found.name == family


@pytest.mark.parametrize("image", ["linear-learner:1", "x/mine", "not an image", ""])
def test_other_images_are_not_frameworks(image: str) -> None:
    assert frameworks.find(image) is None
    assert frameworks.resolve_libraries(image) is None


def test_an_installed_framework_is_used_whatever_version_the_image_requires() -> None:
    pytest.importorskip("sklearn")
    choice = frameworks.resolve_libraries(f"{REGISTRY}/sagemaker-scikit-learn:0.23-1-cpu-py3")
    assert choice and choice.requirements == ()
    here = frameworks.installed_version(SKLEARN)
    assert choice.sentence == f"The image requires scikit-learn 0.23; scikit-learn {here} is used."


def test_a_missing_framework_is_installed_in_the_versions_of_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(frameworks.sys, "version_info", (3, 11, 7))
    image = f"{REGISTRY}/huggingface-pytorch-training:2.1.0-transformers4.36.0-gpu-py310-cu121-ubuntu20.04"
    choice = frameworks.resolve_libraries(image)
    assert choice and choice.requirements == ("transformers==4.36.0", "torch==2.1.0", "datasets", "accelerate")
    choice = frameworks.resolve_libraries(f"{REGISTRY}/pytorch-training:2.3.0-cpu-py311")
    assert choice and choice.requirements == ("torch==2.3.0", "torchvision  # optional")
    choice = frameworks.resolve_libraries(f"{REGISTRY}/tensorflow-training:2.14-cpu-py310")
    assert choice and choice.requirements == (f"{frameworks.TENSORFLOW_BUILD}==2.14.*", "pandas")


def test_a_version_without_wheels_for_this_python_is_replaced_by_a_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frameworks.sys, "version_info", (3, 12, 1))
    assert frameworks.requirement(TORCH, "1.8.0") == "torch>=2.2"
    assert frameworks.requirement(TORCH, "2.3.0") == "torch==2.3.0"
    assert frameworks.requirement(SKLEARN, "1.5") == "scikit-learn==1.5.*"
    assert frameworks.requirement(TORCH, "") == "torch>=2.2"
    assert frameworks.requirement(Library("a", "a"), "") == "a"


def test_a_version_is_shown_even_without_metadata() -> None:
    assert frameworks.installed_version(Library("no-such-distribution", "x")) == "?"
    assert sys.version_info  # the interpreter is untouched by the tests above


def test_a_remote_function_needs_the_clients_version_of_the_sdk() -> None:
    arguments = ["--region", "us-east-1", "--client_sagemaker_pysdk_version", "2.257.7", "--dependency_settings", "{}"]
    assert frameworks.command_requirements(arguments) == ("sagemaker==2.257.7",)
    assert frameworks.command_requirements(["-c", "train.sh"]) == ()
    assert frameworks.command_requirements(["--client_sagemaker_pysdk_version", "2; rm"]) == ()
