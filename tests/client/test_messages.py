"""What the cloud's refusals mean, and sizes for people."""

import pytest

from lowcloud.client.messages import format_bytes, names_nothing


@pytest.mark.parametrize(
    ("code", "message", "is_so"),
    [
        ("ValidationException", "Could not find endpoint 'arn:aws:sagemaker:us-east-1:1:endpoint/x'.", True),
        ("ValidationException", "Requested resource not found.", True),
        ("ResourceNotFound", "whatever it says", True),
        ("ValidationException", "Cannot create already existing model 'x'.", False),
        ("AccessDeniedException", "The role was not found.", False),
    ],
)
def test_a_refusal_because_of_an_unknown_name_is_recognised(code: str, message: str, is_so: bool) -> None:
    assert names_nothing(code, message) == is_so


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1 MB"), (2_340_000_000, "2.34 GB")]
)
def test_sizes_are_in_decimal_units(count: int, text: str) -> None:
    assert format_bytes(count) == text
