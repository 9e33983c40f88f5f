"""The uid of a row from the value of its uid field: the same rule for every format and job."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.storage.fields import MAX_EXACT_FLOAT, MAX_UID_CHARACTERS, uid_of


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        ("B01", "B01"),
        (" B01 ", " B01 "),
        ("101.0", "101.0"),
        ("灯", "灯"),
        ("x" * MAX_UID_CHARACTERS, "x" * MAX_UID_CHARACTERS),
        (101, "101"),
        (10**40, "1" + "0" * 40),
        (101.0, "101"),
        (-0.0, "0"),
        (float(MAX_EXACT_FLOAT - 1), "9007199254740991"),
        ("", None),
        (" \t", None),
        (None, None),
        (math.nan, None),
    ],
)
def test_a_value_gives_a_uid_or_none(value: Any, uid: str | None) -> None:
    assert uid_of(value) == uid


@pytest.mark.parametrize(
    "value", [True, False, 1.5, math.inf, -math.inf, float(MAX_EXACT_FLOAT), [], ["1"], {"id": "1"}]
)
def test_a_value_that_is_neither_a_text_nor_an_integer_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^is neither a text nor an integer$"):
        uid_of(value)


@pytest.mark.parametrize("value", ["x" * (MAX_UID_CHARACTERS + 1), 10**MAX_UID_CHARACTERS, "a\nb", "a\0b", "a\ud83d"])
def test_a_uid_that_cannot_be_a_key_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^is longer than 200 characters or not printable$"):
        uid_of(value)


@given(st.integers(1 - MAX_EXACT_FLOAT, MAX_EXACT_FLOAT - 1))
def test_an_integer_as_a_float_has_the_same_uid(number: int) -> None:
    assert uid_of(float(number)) == uid_of(number) == str(number)
