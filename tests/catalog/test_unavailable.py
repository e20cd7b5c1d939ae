"""Images of SageMaker that Lowcloud cannot run."""

import pytest

from lowcloud.catalog import algorithms, frameworks, unavailable
from lowcloud.core.programs import resolver

REGISTRY = "174872318107.dkr.ecr.us-west-2.amazonaws.com"


@pytest.mark.parametrize("name", sorted(unavailable.NOT_BUILT))
def test_an_algorithm_that_is_not_built_is_named_with_those_that_are(name):
    assert unavailable.reason(f"{REGISTRY}/{name}:1") == (
        f"The built-in algorithm {name!r} is not built yet. Built-in algorithms: linear-learner, sagemaker-xgboost, "
        "xgboost."
    )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("deepar", "forecasting-deepar"),
        ("K_Means", "kmeans"),
        ("TabTransformer", "tabtransformer"),
        ("lightgbm-classification-model", "lightgbm"),
        ("random-cut-forest", "randomcutforest"),
    ],
)
def test_an_algorithm_is_known_by_its_other_names(name, known):
    assert f"{known!r} is not built yet" in (unavailable.algorithm_reason(name) or "")


@pytest.mark.parametrize("repository", ["my-lightgbm", "lightgbm", "my-pca", "k-means", "deepar"])
def test_an_image_whose_repository_is_none_of_sagemakers_has_no_reason(repository):
    assert unavailable.reason(f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{repository}:1") is None
    assert unavailable.algorithm_reason("my-lightgbm") is None


def test_an_image_that_shares_the_name_of_an_algorithm_can_be_registered():
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pca:1"
    said = str(resolver.unknown(uri))
    assert "'pca' is not built yet" in said
    assert f"If the image {uri!r} is your own, register it: lowcloud image add {uri} --python VENV" in said


def test_an_image_that_is_misspelled_is_suggested():
    assert "Did you mean 'my-image'?" in str(resolver.unknown("my-imgae", ["my-image"]))
    assert "Did you mean 'xgboost'?" in str(resolver.unknown("123456789012.dkr.ecr.eu-west-1.amazonaws.com/xgbost:1"))


def test_what_runs_or_is_unknown_has_no_reason():
    assert not any(map(unavailable.reason, [*algorithms.IMAGES, *frameworks.FRAMEWORKS, "unheard-of:1", ""]))
