"""audit.html: one self-contained page on which the drawn texts are labelled.

The page loads nothing, and its content security policy allows only its own script and style, by their SHA-256. The texts are
JSON in a data block, and the script inserts them as text, never as markup.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.audit.labels import RIGHT, WRONG
from jobs.audit.worksheet import BYTE_ORDER_MARK, COLUMNS, AuditRow
from jobs.quality.checks import evidence_text
from jobs.text.spreadsheet import FORMULA_STARTS

_TEMPLATES = Path(__file__).parent / "templates"


def render(rows: Sequence[AuditRow], worksheet: bytes) -> str:
    """Return the page for the rows of `worksheet`. The browser keeps the labels of each worksheet apart."""
    script, style = _template("audit.js"), _template("audit.css")
    parts = {
        "policy": f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "sample": _json(
            {
                "digest": hashlib.sha256(worksheet).hexdigest(),
                "batch": rows[0].batch if rows else "",
                "columns": COLUMNS,
                "labels": [RIGHT, WRONG],
                "byteOrderMark": BYTE_ORDER_MARK,
                "formulaStarts": FORMULA_STARTS,
                "rows": [_row(row) for row in rows],
            }
        ),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _template("audit.html"))


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "cells": row.cells(),
        "title": row.title,
        "description": row.description,
        "neighbours": [vars(neighbour) for neighbour in row.neighbours],
        "published": row.published,
        "probability": row.probability,
        "reasons": [{"name": flag, "evidence": evidence_text(row.evidence.get(flag))} for flag in row.flags],
    }


def _json(value: object) -> str:
    """Return JSON that does not end the script element it is in, whatever the texts are."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
