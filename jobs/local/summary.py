"""What `skuscribe local` prints at its end: a table of the results, and commands to try next."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def table(figures: Mapping[str, Any], out: Path) -> str:
    """Return one line per result, with the files in `out` that hold it."""
    data, model, texts = figures["catalogue"], figures["model"], figures["descriptions"]
    rows = [
        ("catalogue", f"{data['kept']:,} products of {data['read']:,} rows, {data['rejected']:,} rejected, {data['shards']} shards", ""),
        ("model", _model(model), "model/"),
        ("descriptions", f"{texts['products']:,}: {texts['published']:,} published, {texts['flagged']:,} flagged, {texts['failed']:,} failed",
         "descriptions.jsonl .csv .parquet"),
        *([("facts", facts(figures["facts"]), "summary.json")] if "facts" in figures else []),
        ("report", "every stage, side by side", "report.html report.pdf"),
        ("time", f"{figures['seconds']['total']:,.0f} s", "summary.json"),
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return f"\nin {out}/\n" + "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)


def facts(counts: Mapping[str, Any]) -> str:
    """Return how many of all texts and of the published texts state every fact correctly, and how many published texts guess."""
    published, right = counts["published"], counts["published_right"]
    if not published:
        of_published = "none is published"
    elif right == published:
        of_published = "in all published ones"
    else:
        of_published = f"in {right:,} of {published:,} published ones"
    guesses = f"; {counts['published_guesses']:,} published with a guess (a remark, a promise)" if published else ""
    return f"right in {counts['right']:,} of {counts['texts']:,} texts, {of_published}{guesses}"


def next_commands(name: str, state: Path) -> str:
    """Return commands that look at the results of the run `name`, whose services are in the folder `state`."""
    folder = os.path.relpath(state)
    program = os.path.relpath(Path(sys.executable).parent / "skuscribe")
    return f"""
next
  {folder}/psql -c "TABLE skuscribe.coverage"
  . {folder}/environment
  {program} status
  {program} artifacts --path runs/{name}
  {program} describe --run {name} --catalogue {name} --matcher {name} --query "Stainless steel water bottle 750 ml"
  make stop"""


def _model(figures: Mapping[str, Any]) -> str:
    """Return what the last model is, and its scores: a merged one has only those of its evaluation."""
    if "merged_shards" in figures:
        loss, rouge = (_figure(figures.get(f"held_out_{figure}")) for figure in ("loss", "rougeL"))
        return f"merged after shard {figures['shard']}, loss on held-out products {loss}, ROUGE-L {rouge}"
    loss, rouge = _figure(figures["validation_loss"]), _figure(figures["rougeL"])
    return f"shard {figures['shard']}, validation loss {loss}, ROUGE-L {rouge}"


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
