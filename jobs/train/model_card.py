"""The README.md of a trained or merged model: its origin, its scores, its hyperparameters, and how to use it.

The text is part of the artifact: a change of a word changes the digests of all models trained from then on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.storage.runs import first_of_round
from jobs.t5.prompt import prompt

_COLUMNS = ("training_loss", "validation_loss", "rouge1", "rouge2", "rougeL", "rougeLsum")


def card(
    *,
    run: str,
    shard: int,
    shards_at_once: int,
    inputs: Mapping[str, str],
    source: str,
    hyperparameters: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> str:
    """Return the card of a trained shard, in Markdown with the front matter of the hub. `source`: where the base model comes from."""
    first = first_of_round(shard, shards_at_once)
    if shards_at_once == 1:
        origin = f"trained on shards 0 to {shard} of a\ncatalogue, one after the other."
    elif first == 0:
        origin = f"trained on shard {shard} of a\ncatalogue."
    else:
        origin = f"trained on shards 0 to {first - 1} of a\ncatalogue, and then on shard {shard}."
    rows = "\n".join(
        f"| {record['epoch']} | " + " | ".join(_format(record[name]) for name in _COLUMNS) + " |" for record in records
    )
    results = f"""## Results on the test rows of this shard

| epoch | {" | ".join(_COLUMNS)} |
|---|{"---|" * len(_COLUMNS)}
{rows}

Losses are nats per token; ROUGE is the mean F-measure of greedy answers, 0 to 1.

"""
    return _card(f"{run}: after shard {shard}", source, origin, inputs, results, hyperparameters)


def merged_card(
    *, run: str, shards: Sequence[int], inputs: Mapping[str, str], source: str, hyperparameters: Mapping[str, Any]
) -> str:
    """Return the card of the model that those of several shards are merged into."""
    first, last = shards[0], shards[-1]
    origin = f"trained on shards 0 to {last} of a\ncatalogue; the models of shards {first} to {last}, trained from the same parent model, are merged."
    if first == last:
        origin = f"trained on shards 0 to {last} of a\ncatalogue; an outer step leads from the parent model to the model of shard {last}."
    return _card(f"{run}: merged after shard {last}", source, origin, inputs, "", hyperparameters)


def _card(
    title: str, source: str, origin: str, inputs: Mapping[str, str], results: str, hyperparameters: Mapping[str, Any]
) -> str:
    listed = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in hyperparameters.items())
    return f"""---
library_name: transformers
pipeline_tag: text2text-generation
language: en
tags: [t5, product-descriptions]
---

# {title}

A T5 that writes a product's description from its title. Base model: `{source}`, {origin}

| made from | digest |
|---|---|
| base model | `{inputs["base_model"]}` |
| parent model | `{inputs["parent"]}` |
| catalogue | `{inputs["catalogue"]}` |

{results}## How it was trained

{listed}

## How to use it

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("this/folder")
model = AutoModelForSeq2SeqLM.from_pretrained("this/folder")
question = tokenizer("{prompt("Steel kettle 1.7 l")}", return_tensors="pt")
answer = model.generate(**question, max_new_tokens=128, no_repeat_ngram_size=3)
print(tokenizer.decode(answer[0], skip_special_tokens=True))
```

What it writes may be wrong: check numbers, names and claims against a source before they are published.
"""


def _format(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}"
