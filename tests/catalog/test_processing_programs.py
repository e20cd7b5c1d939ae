"""The built-in processing programs: found by name, with validated arguments and accurate documentation."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.catalog import processing_programs
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.schemas.arguments import parse_arguments

DOCS = Path(__file__).parents[2] / "docs" / "processing-programs.md"


@pytest.mark.parametrize("name", ["preprocess", "evaluate"])
def test_a_program_is_named_like_an_image(name: str) -> None:
    for uri in (name, f"lowcloud/{name}", f"lowcloud/{name}:1", f"{name}:latest"):
        found = processing_programs.resolve(uri)
        assert found is not None
        assert found.name == name
    for uri in (f"other/{name}", f"{name}er", name.upper(), f"host:80/lowcloud/{name}", ""):
        assert processing_programs.resolve(uri) is None


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ([], {}),
        (["--target", "y", "--seed=3", "split=random"], {"target": "y", "seed": "3", "split": "random"}),
        (["--drop-duplicates", "--test-fraction", "0.2"], {"drop_duplicates": "true", "test_fraction": "0.2"}),
        (["--derive", "r = a / b"], {"derive": "r = a / b"}),
        (["--derive=r=a/b"], {"derive": "r=a/b"}),
        (["--impute-value", "-1"], {"impute_value": "-1"}),
        (["--shuffle", "--seed", "1"], {"shuffle": "true", "seed": "1"}),
    ],
)
def test_arguments_are_read_as_people_write_them(words: list[str], texts: dict[str, str]) -> None:
    assert parse_arguments(words) == texts


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["y"], "Argument 'y' has no name: write --name value."),
        (["--a", "1", "2"], "Argument '2' has no name"),
        (["--a=1", "--a=2"], "Argument a is given twice."),
        (["--a-b", "1", "--a_b", "2"], "Argument a_b is given twice."),
    ],
)
def test_invalid_arguments_are_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(InvalidHyperparametersError) as caught:
        parse_arguments(words)
    assert sentence in str(caught.value)


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_arguments_are_parsed_or_refused(words: list[str]) -> None:
    for program in processing_programs.PROGRAMS.values():
        try:
            values = program.validate(words)
        except InvalidHyperparametersError as error:
            assert error.problems
        else:
            assert values.keys() >= {"seed"}


PREPROCESS = {
    "--validation-fraction=0.5 --test-fraction=0.5": "must be below 1",
    "--split=group": "Argument split_column is required by split=group.",
    "--split=stratified": "Argument target is required by split=stratified.",
    "--encode=target": "Argument target is required by target encoding.",
    "--encode-columns=a=target": "Argument target is required by target encoding.",
    "--task=binary": "Argument target is required by task=binary.",
    "--target=y --drop=a,y": "Argument drop must not contain the target.",
    "--derive=x=f(a)": "Argument derive: f is not a function",
    "--date-parts=year,century": "'century' is not one of year",
    "--delimiter=ab": "Argument delimiter must be one character or tab, not 'ab'.",
    "--clip=quantile --clip-limit=0.5": "Argument clip_limit must be below 0.5",
    "--types=a=integer": "Argument types: 'integer' is not one of number, text, time, boolean.",
    "--impute-columns=a": "'a' does not have the form column=word.",
    "--rare-share=0.7": "Argument rare_share must be a number from 0 and up to 0.5, not '0.7'.",
    "--tagret=y": "Argument 'tagret' is not supported by this program. Did you mean target?",
}


@pytest.mark.parametrize("words", PREPROCESS)
def test_arguments_that_contradict_are_refused(words: str) -> None:
    with pytest.raises(InvalidHyperparametersError) as caught:
        processing_programs.PROGRAMS["preprocess"].validate(words.split())
    assert PREPROCESS[words] in str(caught.value)


def test_every_argument_is_documented_as_it_is() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for program in processing_programs.PROGRAMS.values():
        assert processing_programs.format_argument_table(program) in text, (
            f"run scripts/arguments to renew the table of {program.name}"
        )
    assert processing_programs.format_function_table() in text


def test_the_defaults_are_values_that_are_accepted() -> None:
    for program in processing_programs.PROGRAMS.values():
        for parameter in program.schema.hyperparameters:
            assert re.fullmatch(r"[a-z_0-9]+", parameter.name)
            if parameter.default is not None:
                assert parameter.parse(str(parameter.default)) == parameter.default
