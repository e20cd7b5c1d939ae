"""Checks of the conditions of a statement: operators, condition keys, and the types of their values."""

from collections.abc import Iterator, Mapping
from typing import Any

from lowcloud.api.aws.access import reference
from lowcloud.api.aws.access.policy_checks.findings import SECURITY_WARNING, Finding, error
from lowcloud.core.policies import conditions
from lowcloud.core.policies.conditions import Quantifier
from lowcloud.core.policies.positions import Path
from lowcloud.core.policies.templates import Template

_FAMILIES = {"Numeric": "numeric", "Bool": "bool", "Date": "date"}  # operators by the type of a key
_TYPES = {  # codes and words by the beginning of the operator
    "numeric": ("TYPE_MISMATCH_NUMBER", "number"),
    "date": ("TYPE_MISMATCH_DATE", "date"),
    "bool": ("TYPE_MISMATCH_BOOLEAN", "Boolean value (true or false)"),
    "null": ("TYPE_MISMATCH_BOOLEAN", "Boolean value (true or false)"),
    "ipaddress": ("TYPE_MISMATCH_IP_RANGE", "IP range"),
    "notipaddress": ("TYPE_MISMATCH_IP_RANGE", "IP range"),
    "binary": ("TYPE_MISMATCH_BINARY", "base64 text"),
}


def check(condition: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the Condition element of a statement."""
    for name, keys in condition.items():
        where = (*path, name)
        try:
            operator, parsed, quantifier, _ = conditions.parse_operator(name)
        except ValueError:
            yield _invalid_operator(name, where)
            continue
        if not isinstance(keys, dict):
            yield error("DATA_TYPE_MISMATCH", "The text does not match the expected JSON data type object.", where)
            continue
        if len({key.lower() for key in keys}) < len(keys):
            details = "The condition key appears more than once with different capitalization in the same block."
            yield error("DUPLICATE_KEYS_WITH_DIFFERENT_CASE", details, where)
        for key, value in keys.items():
            yield from _of_key(key, operator, quantifier, (*where, key))
            check_value = conditions.boolean if parsed is None else parsed.check
            takes_variables = parsed is None or parsed.takes_variables
            yield from _of_values(name, operator, value, check_value, takes_variables, (*where, key))


def _invalid_operator(name: str, path: Path) -> Finding:
    if name.lower().rpartition(":")[2] == "nullifexists":
        details = "The Null condition operator does not work with the IfExists suffix. Update the operator."
        return error("NULL_WITH_IF_EXISTS", details, path)
    details = f"The condition operator {name[:64]} is not valid. Use a valid condition operator."
    return error("INVALID_CONDITION_OPERATOR", details, path)


def _of_key(key: str, operator: str, quantifier: Quantifier, path: Path) -> Iterator[Finding]:
    prefix, colon, name = key.lower().partition(":")
    if not colon or not name:
        yield error("INVALID_CONDITION_KEY_FORMAT", "The condition key format is not valid. Use service:keyname.", path)
        return
    type_ = None
    if prefix == "aws":
        if key.lower().partition("/")[0] not in reference.GLOBAL_KEYS:
            details = f"The condition key {key[:128]} does not exist. Use a valid condition key."
            yield error("INVALID_GLOBAL_CONDITION_KEY", details, path)
            return
        type_ = "ArrayOfString" if key.lower() in reference.MULTIVALUED_GLOBAL_KEYS else "String"
    elif service := reference.find(prefix):
        type_ = service.type_of_key(key)
        if type_ is None:
            details = f"The condition key {key[:128]} does not exist in the service {prefix}."
            yield error("INVALID_SERVICE_CONDITION_KEY", details, path)
            return
        if (family := _FAMILIES.get(type_)) and operator != "null" and not operator.startswith(family):
            details = f"Use the operator type {type_} instead of operator {operator} for the condition key {key}."
            yield error("TYPE_MISMATCH", details, path)
    if quantifier is Quantifier.ALL and type_ is not None and not type_.startswith("ArrayOf"):
        details = (
            f"Using ForAllValues qualifier with the single-valued condition key {key} can be overly permissive. We "
            "recommend that you remove ForAllValues:."
        )
        yield Finding(SECURITY_WARNING, "FORALLVALUES_WITH_SINGLE_VALUED_KEY", details, [path])


def _of_values(
    name: str, operator: str, value: Any, check_value: Any, takes_variables: bool, path: Path
) -> Iterator[Finding]:
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        where = (*path, number) if isinstance(value, list) else path
        try:
            template = Template(conditions.normalise(one), takes_variables)
            if not template.variables:
                check_value(template.text)
        except ValueError:
            found = next((kind for start, kind in _TYPES.items() if operator.startswith(start)), None)
            code, expected = found or ("DATA_TYPE_MISMATCH", "text")
            yield error(code, f"Add a valid {expected} for the condition operator {name}.", where)
