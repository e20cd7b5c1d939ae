"""Clients and names for the tests of IAM."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

NUMBERS = count()


@pytest.fixture(scope="module")
def iam(server: Any) -> Any:
    return server.client("iam")


@pytest.fixture
def new_name(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Makes names that no other test uses."""
    return lambda: f"name-{next(NUMBERS)}"


@pytest.fixture
def code_of() -> Callable[..., str]:
    """Returns the code of the error that a call must end with."""

    def code_of(call: Callable[..., object], **members: object) -> str:
        with pytest.raises(ClientError) as caught:
            call(**members)
        return str(caught.value.response["Error"]["Code"])

    return code_of
