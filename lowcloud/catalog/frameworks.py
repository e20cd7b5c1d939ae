"""The framework images of SageMaker: the libraries that an image URI requires, and whether they are installed."""

import importlib.metadata
import importlib.util
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lowcloud import contract

SCRIPT_COMMAND = ("python", "-m", "lowcloud.runtime.training.script")
RUN_COMMAND = (*SCRIPT_COMMAND, "--command")
INSTALL = "--install"  # as SCRIPT_COMMAND's first argument: install the code's requirements.txt for this run alone
SERVE_COMMAND = ("python", "-m", "lowcloud.runtime.serving.serve", "script")
IMAGE = re.compile(r"(?:[^/\s]+/)*(?P<repository>[a-z0-9._-]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?")
TORCH_NOTE = "PyTorch with CUDA has several GB; docs/training.md describes how to install builds for CPUs."
VERSION = r"(\d+(?:\.\d+)*)"


@dataclass(frozen=True)
class Library:
    """One library of a framework: the names of its distribution and its module."""

    distribution: str
    module: str
    # The first version with wheels for a Python version. If an image requires an older one, the newest is used.
    first_for: Mapping[tuple[int, int], str] = field(default_factory=dict, hash=False)
    is_optional: bool = False  # left out if it does not fit the other libraries


SKLEARN = Library("scikit-learn", "sklearn", {(3, 11): "1.2", (3, 12): "1.3.2", (3, 13): "1.6", (3, 14): "1.7.2"})
XGBOOST = Library("xgboost", "xgboost", {(3, 11): "1.7", (3, 12): "2.0", (3, 13): "2.1", (3, 14): "3.0"})
TORCH = Library("torch", "torch", {(3, 11): "2.0", (3, 12): "2.2", (3, 13): "2.6", (3, 14): "2.9"})
TRANSFORMERS = Library("transformers", "transformers", {(3, 11): "4.28", (3, 12): "4.36", (3, 13): "4.46"})
# The build without CUDA kernels, where there is one, has half the size; the other one computes with the CPU as well.
TENSORFLOW_BUILD = "tensorflow-cpu" if (sys.platform, platform.machine()) == ("linux", "x86_64") else "tensorflow"
TENSORFLOW = Library(TENSORFLOW_BUILD, "tensorflow", {(3, 11): "2.12", (3, 12): "2.16", (3, 13): "2.20"})
TORCHVISION = Library("torchvision", "torchvision", is_optional=True)
PANDAS = Library("pandas", "pandas")
DATASETS = Library("datasets", "datasets")
ACCELERATE = Library("accelerate", "accelerate")


@dataclass(frozen=True)
class Framework:
    """The images of one framework: how a tag specifies versions, and additional libraries."""

    name: str  # for display
    versioned: tuple[tuple[Library, re.Pattern[str]], ...] = ()
    also: tuple[Library, ...] = ()  # in any compatible version
    cannot_serve: str = ""  # why a model of these images is refused


_AT_FRONT = re.compile(VERSION)
_TRANSFORMERS = re.compile(f"transformers{VERSION}")
PYTHON = Framework("Python")
SCIKIT_LEARN = Framework("scikit-learn", ((SKLEARN, _AT_FRONT),), (PANDAS,))
XGBOOST_SCRIPTS = Framework("XGBoost", ((XGBOOST, _AT_FRONT),), (SKLEARN, PANDAS))
PYTORCH = Framework("PyTorch", ((TORCH, _AT_FRONT),), (TORCHVISION,))
HUGGING_FACE = Framework("HuggingFace", ((TRANSFORMERS, _TRANSFORMERS), (TORCH, _AT_FRONT)), (DATASETS, ACCELERATE))
TENSORFLOW_SCRIPTS = Framework("TensorFlow", ((TENSORFLOW, _AT_FRONT),), (PANDAS,))
TENSORFLOW_SERVING = Framework(
    "TensorFlow Serving",
    ((TENSORFLOW, _AT_FRONT),),
    cannot_serve="TensorFlow Serving is not available here. Serve the model by an inference script with model_fn, "
    "which may call tf.saved_model.load, on the image tensorflow-training.",
)

# By repository, from the SDKs' image_uri_config.
FRAMEWORKS = {
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
    "sagemaker-tensorflow-serving": TENSORFLOW_SERVING,
    "tensorflow-inference": TENSORFLOW_SERVING,
    "tensorflow-inference-graviton": TENSORFLOW_SERVING,
    "sagemaker-base-python-38": PYTHON,
    "sagemaker-base-python-310": PYTHON,
    "sagemaker-distribution-prod": PYTHON,
    "sagemaker-distribution-cpu": PYTHON,
    "sagemaker-distribution-gpu": PYTHON,
    "lowcloud-python": PYTHON,  # the image of lowcloud.train
}


@dataclass(frozen=True)
class ResolvedFramework:
    """A framework image, resolved on this machine."""

    requirements: tuple[str, ...]  # to install; empty if the server's interpreter has all libraries
    sentence: str  # for the job's log: what is required, and what is used
    cannot_serve: str = ""


def find(image_uri: str) -> Framework | None:
    """Return the framework with the repository of an image URI, or None."""
    match = IMAGE.fullmatch(image_uri)
    return FRAMEWORKS.get(match["repository"]) if match else None


def resolve_libraries(image_uri: str) -> ResolvedFramework | None:
    """Return the libraries of an image and whether they must be installed; None if it is not a framework image.

    A library that is installed with Lowcloud is used in any version, because it starts immediately. Otherwise the
    version of the image's tag is installed, or the newest if that has no wheels for this Python version.
    """
    match = IMAGE.fullmatch(image_uri)
    family = find(image_uri)
    if match is None or family is None:
        return None
    matches = {library: pattern.search(match["tag"] or "") for library, pattern in family.versioned}
    versions = {library: found[1] if found else "" for library, found in matches.items()}
    required = " and ".join(f"{library.distribution} {version}".strip() for library, version in versions.items())
    if not versions:
        return ResolvedFramework((), f"Python {sys.version_info.major}.{sys.version_info.minor} is used.")
    if all(importlib.util.find_spec(library.module) for library in versions):
        installed = " and ".join(f"{library.distribution} {installed_version(library)}" for library in versions)
        return ResolvedFramework((), f"The image requires {required}; {installed} is used.", family.cannot_serve)
    lines = tuple(requirement(library, version) for library, version in versions.items())
    sentence = f"The image requires {required}; {' and '.join(lines)} is installed for it."
    if TORCH in versions and sys.platform == "linux":
        sentence = f"{sentence} {TORCH_NOTE}"
    also = (library.distribution + contract.OPTIONAL * library.is_optional for library in family.also)
    requirements = (*lines, *also)
    return ResolvedFramework(requirements, sentence, family.cannot_serve)


def command_requirements(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the packages that a container's entrypoint needs, from its arguments.

    The SDK's remote functions are run by the SDK itself, in the version of the client that sent them.
    """
    options = dict(pairwise(arguments))
    version = options.get("--client_sagemaker_pysdk_version", "")
    return (f"sagemaker=={version}",) if re.fullmatch(r"[0-9][0-9a-z.]*", version) else ()


def requirement(library: Library, version: str) -> str:
    """Return the requirement that is closest to an image's version and available for this Python version."""
    python = sys.version_info[:2]
    known = [one for one in library.first_for if one <= python]
    first = library.first_for[max(known)] if known else ""
    if not version or (first and _numbers(version) < _numbers(first)):
        return f"{library.distribution}>={first}" if first else library.distribution
    return f"{library.distribution}=={version}" + (".*" if version.count(".") < 2 else "")


def installed_version(library: Library) -> str:
    """Return the version installed for the server's interpreter, from any distribution name; "?" if unknown."""
    plain = library.distribution.removesuffix("-cpu")
    for name in (plain, f"{plain}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "?"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
