"""The source archive of a job, as the SDK or others name it."""

from dataclasses import replace

import pytest

from lowcloud.core.jobs import programs
from tests.core.jobs.test_lifecycle import SPECIFICATION


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ('"s3://code/source.tar.gz"', "s3://code/source.tar.gz"),
        ("s3://code/source.tar.gz", "s3://code/source.tar.gz"),
        ('"s3://code', ""),
        ("[" * 2500, ""),
        ("5", ""),
        ("", ""),
    ],
)
def test_a_source_is_named_in_json_or_plainly_and_any_other_text_names_none(text: str, uri: str) -> None:
    requested = replace(SPECIFICATION, hyperparameters={programs.CODE_PARAMETER: text})
    assert programs.source_uri(requested) == uri
