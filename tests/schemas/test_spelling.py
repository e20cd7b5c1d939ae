"""A similar name is suggested, and no other."""

from lowcloud.schemas.spelling import did_you_mean


def test_the_most_similar_name_is_meant_whatever_its_case():
    assert did_you_mean("lable", ["age", "Label", "city"]) == "Did you mean 'Label'?"


def test_without_a_similar_name_something_else_is_said():
    assert did_you_mean("city", ["age", 7], "The columns are age, 7.") == "The columns are age, 7."
    assert did_you_mean("x" * 10_000_000, ["x"]) == ""
