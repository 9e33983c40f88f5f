"""The words for the values that a setting accepts."""

from typing import Any, Literal

import pytest
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from jobs.process.accepted import accepts, expected, limits


def field(annotation: Any, **settings: Any) -> FieldInfo:
    return create_model("Model", x=(annotation, Field(**settings))).model_fields["x"]


@pytest.mark.parametrize(
    ("annotation", "settings", "words", "whole"),
    [
        (int, {}, "", "a whole number"),
        (int, {"ge": 1, "le": 1000}, "1 to 1,000", "a whole number, 1 to 1,000"),
        (int | None, {"ge": 0}, "at least 0", "a whole number, at least 0"),
        (int, {"ge": 16, "le": 64, "multiple_of": 16}, "16 to 64, a multiple of 16", "a whole number, 16 to 64, a multiple of 16"),
        (float, {"gt": 0, "lt": 1}, "above 0, below 1", "a number, above 0, below 1"),
        (float | None, {"gt": 0, "le": 0.5}, "above 0, at most 0.5", "a number, above 0, at most 0.5"),
        (str, {"pattern": "^a+$", "json_schema_extra": accepts("a few a")}, "a few a", "a few a"),
        (str, {"min_length": 1}, "", "a text that is not empty"),
        (Literal["one", "two", "three"], {}, "", "one, two or three"),
        (bool, {}, "", "true or false"),
    ],
)  # fmt: skip
def test_limits_and_types_are_in_words(annotation: Any, settings: dict[str, Any], words: str, whole: str) -> None:
    assert limits(field(annotation, **settings)) == words
    assert expected(field(annotation, **settings)) == whole
