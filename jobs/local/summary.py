"""What `skuscribe local` prints at its end: a table of the results, and commands to try next."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_REASONS = 4


def table(figures: Mapping[str, Any], out: Path) -> str:
    """Return one line per result, with the files in `out` that hold it."""
    data, model, texts = figures["catalogue"], figures["model"], figures["descriptions"]
    rows = [
        ("catalogue", f"{data['kept']:,} products of {data['read']:,} rows, {data['rejected']:,} rejected, {data['shards']:,} shard{'s' * (data['shards'] != 1)}", ""),
        ("model", _model(model), "model/"),
        ("descriptions", f"{texts['products']:,}: {texts['published']:,} published, {texts['flagged']:,} flagged, {texts['failed']:,} failed",
         "published.csv  descriptions.jsonl .csv .parquet"),
        *([("", f"reasons: {reasons}", "")] if (reasons := _reasons(texts)) and not texts["published"] else []),
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


def nothing_published(figures: Mapping[str, Any], tiny: bool) -> str:
    """Return what to do if no text is published, "" if one is. `tiny`: whether the base model is the tiny one."""
    if figures["descriptions"]["published"]:
        return ""
    lines = [
        "report.html shows texts with the reasons against them; the README explains the reasons under `What is published`."
    ]
    if tiny:
        lines += [
            "The tiny model starts from random weights. In a short training it learns regular texts only.",
            "More steps: `SKUSCRIBE_BATCH_ROWS=16 SKUSCRIBE_EPOCHS=10 make run ...`, a trained model: `MODEL=google/flan-t5-base`,",
            "both with another OUT, because a run keeps its settings.",
        ]
    return "\nnothing is published\n" + "\n".join(f"  {line}" for line in lines)


def next_commands(name: str, state: Path, title: str) -> str:
    """Return commands that look at the results of the run `name`, whose services are in the folder `state`.

    `title`: a title to describe, "" for none.
    """
    folder = os.path.relpath(state)
    program = os.path.relpath(Path(sys.executable).parent / "skuscribe")
    commands = [
        f'{folder}/psql -c "TABLE skuscribe.coverage"',
        f". {folder}/environment",
        f"{program} status",
        f"{program} artifacts --path runs/{name}",
        *([f"{program} describe --run {name} --catalogue {name} --matcher {name} --query {shlex.quote(title)}"] if title else []),
        "make stop",
    ]  # fmt: skip
    return "\nnext\n" + "\n".join(f"  {command}" for command in commands)


def _reasons(texts: Mapping[str, Any]) -> str:
    """Return the most frequent reasons to hold a text back, with the number of texts that have them: `off-title 135, invented 34`."""
    counts = sorted(texts.get("reasons", {}).items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{reason} {count:,}" for reason, count in counts[:MAX_REASONS])


def _model(figures: Mapping[str, Any]) -> str:
    """Return what the last model is, and its scores: a merged one has only those of its evaluation."""
    if "merged_shards" in figures:
        loss, rouge = (_figure(figures.get(f"held_out_{figure}")) for figure in ("loss", "rougeL"))
        return f"merged after shard {figures['shard']}, loss on held-out products {loss}, ROUGE-L {rouge}"
    loss, rouge = _figure(figures["validation_loss"]), _figure(figures["rougeL"])
    return f"shard {figures['shard']}, validation loss {loss}, ROUGE-L {rouge}"


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
