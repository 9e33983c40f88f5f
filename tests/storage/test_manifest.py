"""Manifests: what is written is read back, and a damaged or edited one is bad input."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.process.errors import InputError
from jobs.storage.manifest import File, Manifest, digest_of, from_json

ADDRESS = "s3://bucket/things/one/manifest.json"
NAMES = st.text(min_size=1, max_size=20)


@given(
    st.dictionaries(NAMES, st.integers() | NAMES),
    st.dictionaries(NAMES, NAMES),
    st.dictionaries(NAMES, st.builds(File, NAMES, st.integers(min_value=0), NAMES, st.booleans())),
)
def test_any_manifest_reads_back_as_it_was_written(
    settings: dict[str, int | str], inputs: dict[str, str], files: dict[str, File]
) -> None:
    written = Manifest("thing", settings, inputs, files, {"rows": 1}, "attempt-1")
    assert from_json(written.to_json(), ADDRESS) == written


def manifest() -> Manifest:
    files = {"a": File("attempt-1/a", 3, "abc"), "seconds": File("attempt-1/seconds", 1, "def", measured=True)}
    return Manifest("thing", {"rows": 3}, {"input": "xyz"}, files, {"seconds": 1.5}, "attempt-1")


def test_the_stored_field_names_and_the_digest_are_those_of_earlier_versions() -> None:
    stored = json.loads(manifest().to_json())
    names = "kind settings inputs files figures attempt created code_version digest"
    assert list(stored) == names.split()
    assert list(stored["files"]["a"]) == ["key", "size", "sha256", "measured"]
    assert stored["digest"] == "e833005a2a3789073c10225e81f93aeaadfdb72ce5004d68e706abefacd9d7c7"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": 3}', b'{"files": {}, "digest": ""}', b"\xff"])
def test_a_damaged_manifest_is_bad_input(damage: bytes) -> None:
    with pytest.raises(InputError, match=f"{ADDRESS} is not a manifest of skuscribe"):
        from_json(damage, ADDRESS)


def test_an_edited_manifest_is_bad_input() -> None:
    stored = json.loads(manifest().to_json())
    stored["settings"]["rows"] = 4
    with pytest.raises(InputError, match=f"{ADDRESS} was changed: it records digest {manifest().digest}"):
        from_json(json.dumps(stored).encode(), ADDRESS)


def test_the_digest_of_a_value_depends_on_its_content_and_not_on_the_order_of_its_keys() -> None:
    assert digest_of({"a": 1, "b": "é"}) == digest_of({"b": "é", "a": 1}) != digest_of({"a": 1, "b": "e"})
