"""Messages name what a person can give, in the words of where the call comes from."""

import pytest

from lowcloud.sdk import InvalidInputError, wording
from lowcloud.sdk.data.reading import to_reading


def test_a_python_program_reads_of_arguments():
    assert wording.argument("target") == "target="
    assert wording.argument("validation", 0.2) == "validation=0.2"
    assert wording.argument("allow_large", True) == "allow_large=True"
    assert wording.parameter("objective", "binary:logistic") == "objective='binary:logistic'"
    assert wording.reading(types={"code": "text"}) == "reading={'types': {'code': 'text'}}"


def test_a_person_at_the_command_line_reads_of_options():
    with wording.for_command_line():
        assert wording.argument("target") == "--target"
        assert wording.argument("validation", 20.0) == "--validation 20"
        assert wording.argument("allow_large", True) == "--yes"
        assert wording.parameter("objective", "binary:logistic") == "-p objective=binary:logistic"
        assert wording.reading(types={"code": "text"}) == "--reading types=code=text"
        assert wording.reading(delimiter=";") == "--reading 'delimiter=;'"
        assert wording.reading(delimiter="\t") == "--reading delimiter=tab"
        assert wording.reading(header=True) == "--reading header=true"
    assert wording.argument("target") == "target="


def test_the_words_are_those_of_the_command_line_only_within_the_block():
    with pytest.raises(InvalidInputError, match="header' of reading is true or false"), wording.for_command_line():
        to_reading({"header": "maybe"})
    with pytest.raises(InvalidInputError, match="header' of reading is True or False"):
        to_reading({"header": "maybe"})
