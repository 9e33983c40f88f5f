"""A generated catalogue of invented products, with the noise of scraped rows, for a first run without any data.

Writes gzipped JSON Lines with the fields of AmazonTitles' `trn.json.gz`: uid, title, content, target_ind, target_rel. The
content repeats the facts of the title (category, material, colour, size, maker), so that a small model can learn them.

    .venv/bin/python -c 'from pathlib import Path; from jobs.sample.rows import write_sample; write_sample(Path("rows.json.gz"), 600, 13)'
"""

import gzip
import html
import json
import random
from pathlib import Path
from typing import Any

from jobs.sample.products import OFFERS, product

_REJECTED_EVERY, _DUPLICATE_EVERY, _NEAR_DUPLICATE_EVERY = 25, 30, 12


def write_sample(path: Path, rows: int, seed: int) -> None:
    """Write raw rows to a gzipped file. The same `rows` and `seed` give the same bytes."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sample_rows(rows, seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


def sample_rows(rows: int, seed: int) -> list[dict[str, Any]]:
    """Return raw rows. About one in 25 has no title or content, one in 30 is a duplicate, one in 12 a near duplicate."""
    rng = random.Random(seed)  # noqa: S311 - test data, not a secret
    raw: list[dict[str, Any]] = []
    originals: list[tuple[str, str]] = []
    for number in range(rows):
        if originals and rng.randrange(_DUPLICATE_EVERY) == 0:
            title, content = rng.choice(originals)
        elif originals and rng.randrange(_NEAR_DUPLICATE_EVERY) == 0:
            title, content = _near_duplicate(rng, *rng.choice(originals))
        else:
            title, content = product(rng)
            originals.append((title, content))
        if rng.randrange(_REJECTED_EVERY) == 0:
            title, content = rng.choice((("", content), (title, ""), (title, '""'), (title, "<p> </p>")))
        raw.append(
            {
                "uid": f"S{number:09d}",
                "title": _noisy_title(rng, title),
                "content": _noisy_content(rng, content),
                "target_ind": [],
                "target_rel": [],
            }
        )
    return raw


def _near_duplicate(rng: random.Random, title: str, content: str) -> tuple[str, str]:
    """Return title and content of the same product as another seller might list it."""
    title = title.replace(" (", " - ", 1).replace(")", "")
    return title, f"{content} {rng.choice(OFFERS)}"


def _noisy_title(rng: random.Random, title: str) -> str:
    draw = rng.randrange(20)
    if draw == 0:
        return html.escape(title)
    if draw == 1:
        return f"{title}&#174;"
    if draw == 2:
        return f"  {title.replace(', ', ' ,')} ★"
    return title


def _noisy_content(rng: random.Random, content: str) -> str:
    """Return the content with the noise of a scraper, or in seven of ten cases unchanged."""
    sentences = content.split(". ")
    match rng.randrange(30):
        case 0:
            return f"<p>{'.</p><p>'.join(sentences)}</p>"
        case 1:
            return "<ul>" + "".join(f"<li>{part}</li>\n" for part in sentences) + "</ul>"
        case 2:
            return content.replace("'", "&#8217;").replace('"', "&quot;")
        case 3:
            return content.replace("'", "&#x2019;").replace(". ", "&#151;", 1)
        case 4:
            return html.escape(html.escape(content))
        case 5:
            return content.replace('"', "&quot").replace(" ", "&nbsp;", 3)
        case 6:
            return "<style>.a-box { color: #333; }</style><!-- .header { margin: 0 } -->" + content
        case 7:
            return f"• {content.replace('. ', '. • ')} ✔ 😀"
        case 8:
            return f"{content}<script>var shown = '<b>1</b>';</script><br/>"
        case _:
            return content.replace("!", "!!!")
