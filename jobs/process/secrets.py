"""Removes secrets from texts of others, such as the message of a server, and from addresses."""

import re
from collections.abc import Iterable

_LONG = 8
"""No S3 service issues a secret of fewer characters; a shorter one is that of a demo, such as `test`."""
# Not within a word or a name with hyphens. An escape such as %3D or \n before the secret is not a part of the word.
_BEGIN = r"(?:(?<![\w-])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_END = r"(?![\w-])"
_USER_AND_PASSWORD = re.compile(r"[^/\s:@]+:[^\s@]+@")


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text with `***` for each secret. One of fewer than 8 characters is replaced only where it is a whole word."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        word = re.escape(secret)
        text = re.sub(word if len(secret) >= _LONG else f"{_BEGIN}{word}{_END}", "***", text)
    return text


def without_secrets(address: str) -> str:
    """Return an address for messages: without user and password, and without the query, which may be a signature."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return _USER_AND_PASSWORD.sub("***@", address)
    authority, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    host = authority.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    if colon and not port.isdigit() and not host.endswith("]"):  # the beginning of a password that contains a slash
        return f"{scheme}://{name}:***"
    return f"{scheme}://{host}{slash}{path}"
