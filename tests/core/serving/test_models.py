"""Models as they are stored: also those that version 0.1.0 stored."""

from dataclasses import asdict

from lowcloud.core.serving import models
from lowcloud.core.serving.models import Model

MODEL = Model("m", 0.0, "image", "role", variables={"COLOUR": "blue"})


def test_a_model_is_loaded_as_it_was_stored():
    assert models.from_record(asdict(MODEL)) == MODEL


def test_a_model_of_version_0_1_0_keeps_its_variables():
    stored = asdict(MODEL)
    stored["environment"] = stored.pop("variables")
    assert models.from_record(stored) == MODEL
