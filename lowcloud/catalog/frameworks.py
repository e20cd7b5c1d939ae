"""The framework images of SageMaker: which libraries an image URI asks for, and which are here already."""

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SCRIPT_COMMAND = ("python", "-m", "lowcloud.runtime.training.script")
RUN_COMMAND = (*SCRIPT_COMMAND, "--command")
INSTALL = "--install"  # as SCRIPT_COMMAND's first argument: install the code's requirements.txt for this run alone
SERVE_COMMAND = ("python", "-m", "lowcloud.runtime.serving.serve", "script")
IMAGE = re.compile(r"(?:[^/\s]+/)*(?P<repository>[a-z0-9._-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?")
TORCH_BUILDS = "Builds of PyTorch with CUDA take some GB; docs/training.md says how to have those for CPUs."
VERSION = r"(\d+(?:\.\d+)*)"


@dataclass(frozen=True)
class Library:
    """One library of a framework: what it is called where it is installed from, and where it is imported."""

    distribution: str
    module: str
    # The first version with wheels for a Python version. An image's older one gives way to the newest there is.
    first_for: Mapping[tuple[int, int], str] = field(default_factory=dict, hash=False)


SKLEARN = Library("scikit-learn", "sklearn", {(3, 11): "1.2", (3, 12): "1.3.2", (3, 13): "1.6", (3, 14): "1.7.2"})
XGBOOST = Library("xgboost", "xgboost", {(3, 11): "1.7", (3, 12): "2.0", (3, 13): "2.1", (3, 14): "3.0"})
TORCH = Library("torch", "torch", {(3, 11): "2.0", (3, 12): "2.2", (3, 13): "2.6", (3, 14): "2.9"})
TRANSFORMERS = Library("transformers", "transformers", {(3, 11): "4.28", (3, 12): "4.36", (3, 13): "4.46"})
TENSORFLOW = Library("tensorflow", "tensorflow", {(3, 11): "2.12", (3, 12): "2.16", (3, 13): "2.20"})
PANDAS = Library("pandas", "pandas")
DATASETS = Library("datasets", "datasets")
ACCELERATE = Library("accelerate", "accelerate")


@dataclass(frozen=True)
class Family:
    """The images of one framework: how a tag names versions, and what comes with them."""

    name: str  # as people say it
    versioned: tuple[tuple[Library, re.Pattern[str]], ...] = ()
    also: tuple[Library, ...] = ()  # in whichever version goes with them


_AT_FRONT = re.compile(VERSION)
_TRANSFORMERS = re.compile(f"transformers{VERSION}")
PYTHON = Family("Python")
SCIKIT_LEARN = Family("scikit-learn", ((SKLEARN, _AT_FRONT),), (PANDAS,))
XGBOOST_SCRIPTS = Family("XGBoost", ((XGBOOST, _AT_FRONT),), (SKLEARN, PANDAS))
# Without torchvision: an index may have its CUDA build beside PyTorch's for CPUs, and the two do not work together.
PYTORCH = Family("PyTorch", ((TORCH, _AT_FRONT),))
HUGGING_FACE = Family("HuggingFace", ((TRANSFORMERS, _TRANSFORMERS), (TORCH, _AT_FRONT)), (DATASETS, ACCELERATE))
TENSORFLOW_SCRIPTS = Family("TensorFlow", ((TENSORFLOW, _AT_FRONT),), (PANDAS,))

# By repository, as the SDKs' image_uri_config names them.
FAMILIES = {
    "sagemaker-scikit-learn": SCIKIT_LEARN,
    "sagemaker-xgboost": XGBOOST_SCRIPTS,
    "sagemaker-pytorch": PYTORCH,
    "pytorch-training": PYTORCH,
    "pytorch-inference": PYTORCH,
    "pytorch-inference-graviton": PYTORCH,
    "huggingface-pytorch-training": HUGGING_FACE,
    "huggingface-pytorch-inference": HUGGING_FACE,
    "sagemaker-tensorflow-scriptmode": TENSORFLOW_SCRIPTS,
    "tensorflow-training": TENSORFLOW_SCRIPTS,
    "sagemaker-base-python-38": PYTHON,
    "sagemaker-base-python-310": PYTHON,
    "sagemaker-distribution-prod": PYTHON,
    "sagemaker-distribution-cpu": PYTHON,
    "sagemaker-distribution-gpu": PYTHON,
    "lowcloud-python": PYTHON,  # what lowcloud.train names
}


@dataclass(frozen=True)
class Choice:
    """What a framework image comes to on this machine."""

    family: Family
    requirements: tuple[str, ...]  # what must be installed; empty where the server's own interpreter has all
    sentence: str  # for the job's log: what was asked for, and what runs


def find(image_uri: str) -> Family | None:
    """The framework an image URI names by its repository, or None."""
    match = IMAGE.fullmatch(image_uri)
    return FAMILIES.get(match["repository"]) if match else None


def choose(image_uri: str) -> Choice | None:
    """What the image asks for, and whether it must be installed; None where it is no framework's.

    What is installed where Lowcloud runs is used whatever its version, for it starts at once. Where the framework is
    absent, the version of the image's tag is installed, or the newest where that one has no wheels for this Python.
    """
    match = IMAGE.fullmatch(image_uri)
    family = find(image_uri)
    if match is None or family is None:
        return None
    asked = {library: pattern.search(match["tag"] or "") for library, pattern in family.versioned}
    versions = {library: found[1] if found else "" for library, found in asked.items()}
    wanted = " and ".join(f"{library.distribution} {version}".strip() for library, version in versions.items())
    if not versions:
        return Choice(family, (), f"Python {sys.version_info.major}.{sys.version_info.minor} runs here.")
    if all(importlib.util.find_spec(library.module) for library in versions):
        given = " and ".join(f"{library.distribution} {installed_version(library)}" for library in versions)
        return Choice(family, (), f"The image asks for {wanted}; here runs {given}.")
    lines = tuple(requirement(library, version) for library, version in versions.items())
    sentence = f"The image asks for {wanted}; installed for it: {' and '.join(lines)}."
    if TORCH in versions and sys.platform == "linux":
        sentence = f"{sentence} {TORCH_BUILDS}"
    return Choice(family, (*lines, *(library.distribution for library in family.also)), sentence)


def of_command(arguments: Sequence[str]) -> tuple[str, ...]:
    """What the entry point of a container needs installed, by its arguments.

    The SDK's remote functions are run by the SDK itself, in the version of the client that sent them.
    """
    given = dict(pairwise(arguments))
    version = given.get("--client_sagemaker_pysdk_version", "")
    return (f"sagemaker=={version}",) if re.fullmatch(r"[0-9][0-9a-z.]*", version) else ()


def requirement(library: Library, version: str) -> str:
    """What to ask an installer for, to come as near to an image's version as this Python allows."""
    python = sys.version_info[:2]
    known = [one for one in library.first_for if one <= python]
    first = library.first_for[max(known)] if known else ""
    if not version or (first and _numbers(version) < _numbers(first)):
        return f"{library.distribution}>={first}" if first else library.distribution
    return f"{library.distribution}=={version}" + (".*" if version.count(".") < 2 else "")


def installed_version(library: Library) -> str:
    """The version beside the server's own interpreter, in whichever of its distributions; "?" where none tells."""
    for name in (library.distribution, f"{library.distribution}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "?"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
