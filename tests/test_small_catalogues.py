"""Small and lopsided catalogues go through every step to the report, or prepare says that they are too small."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs import cli, steps
from jobs.storage import artifact, layout
from jobs.storage.layout import Kind
from jobs.storage.store import Store

pytestmark = pytest.mark.usefixtures("kept_vectors")

WORDS = ("kettle", "lamp", "desk", "chair", "clock", "vase", "drill", "router", "jacket", "notebook")
SETTINGS = {
    "CATALOGUE": "small", "MODEL": "small", "RUN": "small", "BATCH": "small", "SOURCE": "tiny", "EPOCHS": "1", "QUESTIONS": "2",
    "ROUGE_ROWS": "2", "TINY_WIDTH": "16", "TINY_LAYERS": "1", "TINY_VOCABULARY": "300", "ANSWER_MAX_TOKENS": "16", "LIMIT": "2",
}  # fmt: skip


def rows_of(products: int, copies: int) -> list[dict[str, Any]]:
    """Return this many different products, each with several uids."""
    return [
        {"uid": f"{number}-{copy}", "title": f"A {word}", "content": f"What a {word} that is, {word} by {word}."}
        for number, word in enumerate(WORDS[:products])
        for copy in range(copies)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("products", "copies", "shard_rows"),
    [(1, 1, 200), (2, 1, 200), (3, 1, 200), (10, 1, 200), (3, 8, 10)],
)
def test_a_small_catalogue_goes_to_the_report_or_ends_at_once(
    store: Store,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    products: int,
    copies: int,
    shard_rows: int,
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows_of(products, copies)))
    for name, value in (SETTINGS | {"INPUT": str(path), "SHARD_ROWS": str(shard_rows)}).items():
        monkeypatch.setenv(f"SKUSCRIBE_{name}", value)
    codes = {}
    for step in steps.in_order(steps.steps(0.5)):
        codes[step.name] = cli.main([step.command, *step.arguments])
        if codes[step.name]:
            break
    if products == 1:
        assert codes == {"prepare": 65}
        return
    assert set(codes.values()) == {0}, codes
    assert artifact.require(store, layout.report_path("small"), Kind.REPORT, "report").manifest.files
