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
    """Return why Lowcloud cannot run an image, for its user, or None if nothing is known of it."""
    match = algorithms.IMAGE.fullmatch(image_uri)
    return algorithm_reason(match["repository"]) if match else None


def algorithm_reason(name: str) -> str | None:
    """Return why Lowcloud cannot run an algorithm of this name, or None if SageMaker has none of this name."""
    plain = name.lower().replace("_", "-")
    stem = next((one for one in ("catboost", "lightgbm", "tabtransformer") if one in plain.replace("-", "")), plain)
    known = OTHER_NAMES.get(stem, stem)
    if known not in NOT_BUILT and known not in OTHER_NAMES:
        return None
    built = ", ".join(sorted({algorithm.name for algorithm in algorithms.ALGORITHMS}))
    return f"The built-in algorithm {known!r} is not built yet. Built-in algorithms: {built}."
