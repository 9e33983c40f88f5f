"""Temporary folders, and removal of our own files only."""

from pathlib import Path

import pytest

from jobs.process import folders


def test_a_temporary_folder_is_below_tmpdir_and_removed_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with folders.temporary_folder() as first, folders.temporary_folder() as second:
        assert first.parent == second.parent == tmp_path
        assert first != second
        (first / "deep").mkdir()
        (first / "deep" / "file").write_text("")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_is_removed_after_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), folders.temporary_folder() as folder:
        (folder / "file").write_text("")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_the_block_removed_is_no_error() -> None:
    with folders.temporary_folder() as folder:
        folder.rmdir()


def test_named_entries_are_removed_and_the_folder_once_it_is_empty(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "ours").mkdir(parents=True)
    for path in (out / "ours" / "file", out / "mine", out / "yours"):
        path.write_text("")
    assert folders.remove(out, ("ours", "mine", "never-made")) == [out / "ours", out / "mine"]
    assert [path.name for path in out.iterdir()] == ["yours"]
    assert folders.remove(out, ("yours",)) == [out / "yours"]
    assert not out.exists()


def test_a_folder_without_named_entries_is_kept(tmp_path: Path) -> None:
    assert folders.remove(tmp_path, ("ours",)) == []
    assert folders.remove(tmp_path / "none", ("ours",)) == []
    assert tmp_path.exists()
