"""Secrets are removed from texts of others, and from addresses."""

import pytest

from jobs.process.secrets import hide, without_secrets

LONG = "minio/example+secret"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bucket test-bucket, contest, test_1, attestation, my-test", "bucket test-bucket, contest, test_1, attestation, my-test"),
        ("test", "***"),
        ("key=test&more 'test' (test) test: test. test/x", "key=***&more '***' (***) ***: ***. ***/x"),
        ("http://user:test@host http://test@host", "http://user:***@host http://***@host"),
        ("key%3Dtest%26more b'\\ntest'", "key%3D***%26more b'\\n***'"),
    ],
)  # fmt: skip
def test_a_short_secret_is_hidden_as_a_whole_word_only(text: str, shown: str) -> None:
    assert hide(text, ["test"]) == shown


def test_a_long_secret_is_hidden_wherever_it_is() -> None:
    assert hide(f"AWS4{LONG}x-{LONG}-y", ["", LONG]) == "AWS4***x-***-y"


def test_a_secret_that_contains_another_is_hidden_whole() -> None:
    assert hide(LONG, ["minio", LONG]) == "***"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://bob:hush@host:8080/a/b?sig=hush#x", "https://host:8080/a/b"),
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        ("http://host?sig=hush", "http://host"),
        ("folder/file?.jsonl", "folder/file?.jsonl"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
