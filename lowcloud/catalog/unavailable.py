"""Images of SageMaker that Lowcloud knows and cannot run: why, by repository."""

from lowcloud.catalog import algorithms

# The algorithms of SageMaker's own images, from the SDKs' image_uri_config.
NOT_BUILT = frozenset(
    (
        "autogluon-inference",
        "autogluon-training",
        "blazingtext",
        "factorization-machines",
        "forecasting-deepar",
        "image-classification",
        "image-classification-neo",
        "ipinsights",
        "kmeans",
        "knn",
        "lda",
        "ntm",
        "object-detection",
        "object2vec",
        "pca",
        "randomcutforest",
        "semantic-segmentation",
        "seq2seq",
    )
)
# Other spellings: of the documentation, of the SDKs' classes, and of JumpStart's models.
OTHER_NAMES = {
    "autogluon": "autogluon-training",
    "catboost": "catboost",
    "deepar": "forecasting-deepar",
    "k-means": "kmeans",
    "k-nn": "knn",
    "lightgbm": "lightgbm",
    "random-cut-forest": "randomcutforest",
    "rcf": "randomcutforest",
    "sequence-to-sequence": "seq2seq",
    "tabtransformer": "tabtransformer",
}


def reason(image_uri: str) -> str | None:
    """Return why Lowcloud cannot run an image of SageMaker, for its user, or None if none has this repository."""
    match = algorithms.IMAGE.fullmatch(image_uri)
    repository = match["repository"] if match else ""
    return _not_built(repository) if repository in NOT_BUILT else None


def algorithm_reason(name: str) -> str | None:
    """Return why Lowcloud cannot run an algorithm of this name, or None if SageMaker has none of this name."""
    plain = name.lower().replace("_", "-")
    joined = plain.replace("-", "")
    # JumpStart's ids continue: lightgbm-classification-model.
    stem = next((one for one in ("catboost", "lightgbm", "tabtransformer") if joined.startswith(one)), plain)
    known = OTHER_NAMES.get(stem, stem)
    return _not_built(known) if known in NOT_BUILT or known in OTHER_NAMES else None


def _not_built(name: str) -> str:
    built = ", ".join(sorted({algorithm.name for algorithm in algorithms.ALGORITHMS}))
    return f"The built-in algorithm {name!r} is not built yet. Built-in algorithms: {built}."
