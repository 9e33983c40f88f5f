"""Near duplicates: rows with the same text or nearly the same text share a cluster."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.prepare.near_duplicates import SIGNATURE_NUMBERS, find_clusters, normalised, signatures, title_hashes

LONG = "A frying pan of cast iron that heats evenly and goes from hob to oven, with a handle that stays cool for longer"
OTHER = "Thirty puzzle pieces show the harbour of a small town at dusk, with boats, gulls and lanterns along the quay"
CHINESE = "高效能系列硬碟提供大容量儲存空間適合遊戲玩家與專業創作者使用並支援最新的傳輸介面讓您的資料更加安全可靠"


def clustered(
    folder: Path,
    texts: Sequence[str],
    similarity: float = 0.8,
    rejected: Sequence[int] = (),
    titles: Sequence[str] = (),
) -> list[int]:
    """Return the cluster of each text. If there are titles, they are part of the texts."""
    if titles:
        texts = [f"{title} {text}" for title, text in zip(titles, texts, strict=True)]
    path = folder / "signatures"
    path.write_bytes(signatures(texts).tobytes())
    kept = np.ones(len(texts), dtype=bool)
    kept[list(rejected)] = False
    hashes = np.array([hash(text) & (2**63 - 1) for text in texts], dtype=np.uint64)
    named = title_hashes(titles) if titles else np.zeros(len(texts), dtype=np.uint64)
    labels: list[int] = find_clusters(path, hashes, named, kept, similarity).tolist()
    return labels


def test_a_cluster_is_named_by_its_first_row(tmp_path: Path) -> None:
    texts = [OTHER, LONG, "Something else", LONG, f"{LONG} New!", OTHER]
    assert clustered(tmp_path, texts) == [0, 1, 2, 1, 1, 0]


def test_a_chain_of_similar_texts_is_one_cluster(tmp_path: Path) -> None:
    words = LONG.split()
    chain = [" ".join([*words[shift:], *(f"new{n}" for n in range(shift))]) for shift in range(0, 12, 2)]
    assert set(clustered(tmp_path, chain, similarity=0.7)) == {0}


def test_different_texts_have_different_clusters(tmp_path: Path) -> None:
    texts = [LONG, OTHER, LONG[:40] + OTHER[40:], "A", "B"]
    assert clustered(tmp_path, texts) == [0, 1, 2, 3, 4]


def test_a_rejected_row_joins_no_cluster(tmp_path: Path) -> None:
    assert clustered(tmp_path, [LONG, f"{LONG} New!", LONG], rejected=[0]) == [0, 1, 1]


def test_texts_in_a_language_without_spaces_have_near_duplicates(tmp_path: Path) -> None:
    assert clustered(tmp_path, [CHINESE, CHINESE[:-2], OTHER]) == [0, 0, 2]


@pytest.mark.parametrize("punctuation", ["。", "！", "、", " ", " - "])
@pytest.mark.parametrize(
    "text",
    [
        CHINESE[:34],
        "鉄製フライパン、ガス火とIHに対応し、取っ手は熱くなりません",
        "กระทะเหล็กหล่อให้ความร้อนสม่ำเสมอใช้ได้กับเตาทุกชนิด",
    ],
)
def test_short_texts_in_a_script_without_spaces_have_near_duplicates(
    tmp_path: Path, text: str, punctuation: str
) -> None:
    assert clustered(tmp_path, [f"{text}。", f"{text}{punctuation}", f"{text}新", CHINESE[-20:]]) == [0, 0, 0, 3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NVIDIA Quadro NVS 290 256MB, PCIe x16", "nvidia quadro NVS-290 256MB PCIe x16."),
        ("A pan (cast iron), 10-inch", "A pan: cast iron; 10 inch!"),
        ("«Élan» 2 m – “blau”", "élan 2 m - 'blau'"),
        ("हिन्दी, व्याकरण की पुस्तक", "हिन्दी व्याकरण की पुस्तक"),
    ],
)
def test_punctuation_and_case_make_no_difference(tmp_path: Path, one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert clustered(tmp_path, [one, other]) == [0, 0]


@given(st.text())
def test_words_in_ascii_are_found_as_in_other_texts(text: str) -> None:
    assert normalised(f"{text} é").removesuffix("é").split() == normalised(text).split()


HALF = LONG.replace("cast iron", "steel").replace("stays cool for longer", "folds")


def test_rows_with_the_same_title_share_a_cluster_from_half_the_similarity(tmp_path: Path) -> None:
    title = "Alder Frying Pan, 10-inch"
    assert clustered(tmp_path, [LONG, HALF], titles=[title, f"{title.lower()} black"]) == [0, 1]
    assert clustered(tmp_path, [LONG, HALF, OTHER], titles=[title, title.lower().replace(",", ""), title]) == [0, 0, 2]


def test_a_short_title_joins_no_rows(tmp_path: Path) -> None:
    assert clustered(tmp_path, [LONG, HALF], titles=["Frying Pan.", "frying pan"]) == [0, 1]


def test_a_rejected_row_with_the_same_title_joins_no_cluster(tmp_path: Path) -> None:
    titles = ["Alder Frying Pan"] * 3
    assert clustered(tmp_path, [LONG, HALF, LONG], titles=titles, rejected=[0]) == [0, 1, 1]


def test_only_exact_duplicates_are_joined_at_similarity_one(tmp_path: Path) -> None:
    assert clustered(tmp_path, [LONG, LONG.replace("oven", "table"), LONG], similarity=1) == [0, 1, 0]


@pytest.mark.parametrize("similarity", [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9])
def test_of_the_pairs_that_just_reach_the_similarity_99_percent_are_found(tmp_path: Path, similarity: float) -> None:
    random, pairs = np.random.default_rng(13), 5000
    pair = random.integers(0, 1 << 16, (pairs, 2, SIGNATURE_NUMBERS), dtype=np.uint16)
    first = np.arange(SIGNATURE_NUMBERS) < math.ceil(similarity * SIGNATURE_NUMBERS)
    agreeing = random.permuted(np.tile(first, (pairs, 1)), axis=1)
    pair[:, 1][agreeing] = pair[:, 0][agreeing]
    (tmp_path / "signatures").write_bytes(pair.tobytes())
    distinct = np.arange(2 * pairs, dtype=np.uint64)
    untitled = np.zeros(2 * pairs, dtype=np.uint64)
    labels = find_clusters(tmp_path / "signatures", distinct, untitled, np.ones(2 * pairs, dtype=bool), similarity)
    assert (labels[0::2] == labels[1::2]).mean() >= 0.99


def test_no_rows_have_no_clusters(tmp_path: Path) -> None:
    assert signatures([]).shape == (0, SIGNATURE_NUMBERS)
    assert clustered(tmp_path, []) == []


@pytest.mark.parametrize("shared", [0.3, 0.6, 0.9])
def test_signatures_estimate_the_fraction_of_common_word_pairs(shared: float) -> None:
    common = [f"common{n}" for n in range(int(1000 * shared))]
    one, other = (" ".join([*common, *(f"{side}{n}" for n in range(1000 - len(common)))]) for side in "ab")
    expected = shared / (2 - shared)
    left, right = signatures([one, other])
    assert float((left == right).mean()) == pytest.approx(expected, abs=0.2)


@settings(max_examples=25, deadline=None)
@given(
    data=st.lists(st.sampled_from([LONG, OTHER, f"{LONG} New!", f"Best price! {OTHER}", "Lamp", "Pan"]), max_size=30)
)
def test_clusters_do_not_depend_on_the_order_of_the_rows(
    data: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    forward = clustered(folder, data)
    backward = clustered(folder, data[::-1])[::-1]
    together = {(i, j) for i, one in enumerate(forward) for j, other in enumerate(forward) if one == other}
    assert together == {(i, j) for i, one in enumerate(backward) for j, other in enumerate(backward) if one == other}
