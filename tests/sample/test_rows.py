"""The sample catalogue: reproducible, as noisy as real rows, and clean after cleaning."""

import gzip
import json
from pathlib import Path

import pytest

from jobs.sample.rows import sample_rows, write_sample
from jobs.text.cleaning import clean


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 13), ("again", 13), ("other", 14)):
        write_sample(tmp_path / "new" / name, 50, seed)
    one, again, other = ((tmp_path / "new" / name).read_bytes() for name in ("one", "again", "other"))
    assert one == again
    assert one != other
    rows = [json.loads(line) for line in gzip.decompress(one).splitlines()]
    assert [sorted(row) for row in rows] == [["content", "target_ind", "target_rel", "title", "uid"]] * 50


@pytest.mark.parametrize(
    "noise", ["&amp;amp;", "&quot", "&#151;", "&#8217;", "<p>", "<li>", "<script>", "<!--", "•", "!!!"]
)
def test_the_sample_has_the_noise_of_real_rows(noise: str) -> None:
    assert any(noise in row["content"] for row in sample_rows(600, seed=13))


def test_cleaning_removes_the_noise() -> None:
    for row in sample_rows(600, seed=13):
        content = clean(row["content"], "catalogue")
        assert not [
            noise
            for noise in ("<", ">", "&quot", "&#", "&amp", "nbsp", "•", "!!", "script", "color:")
            if noise in content
        ]


def test_a_content_repeats_the_facts_of_its_title() -> None:
    rows = [row for row in sample_rows(600, seed=13) if "Cat Bed, 40 cm" in row["title"]]
    contents = [content for row in rows if (content := clean(row["content"], "catalogue"))]
    assert contents
    assert all("cat bed" in content and "Size: 40 cm" in content for content in contents)
