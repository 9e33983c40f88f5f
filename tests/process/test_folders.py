"""Temporary folders, output folders that cannot be written or are full, and removal of our own files only."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.process import folders
from jobs.process.errors import ConfigurationError, NotReadyError

FULL_DISK = Path("/dev/full")
"""The device of Linux that refuses every write as a full disk does."""


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


def make_file(path: Path) -> Path:
    path.write_text("mine")
    return path


@pytest.mark.parametrize(
    "unwritable",
    [
        lambda parent: make_file(parent / "file"),
        lambda parent: make_file(parent / "file") / "below",
        lambda _: Path("/proc/x"),
        lambda parent: parent / ("long" * 100),
    ],
)
def test_a_folder_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path, unwritable: Callable[[Path], Path]) -> None:
    folder = unwritable(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        folders.require_writable(folder, "--out")
    assert str(caught.value).startswith(f"--out {folder}: expected a folder that can be written, found ")
    assert str(caught.value).endswith("choose another folder")


def test_the_check_of_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    folders.require_writable(tmp_path / "deep" / "out", "--out")
    assert list(tmp_path.iterdir()) == []
    make_file(tmp_path / "mine")
    folders.require_writable(tmp_path, "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_on_a_full_disk_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / folders.PROBE).symlink_to(FULL_DISK)
    with pytest.raises(NotReadyError, match=f"no space left on the disk of --out {tmp_path}: free some"):
        folders.require_writable(tmp_path, "--out")


def test_a_copy_to_a_full_disk_is_not_ready(tmp_path: Path) -> None:
    with (
        make_file(tmp_path / "file").open("rb") as file,
        FULL_DISK.open("wb", buffering=0) as full,
        pytest.raises(NotReadyError, match="the disk of --to here"),
        folders.writing_to(Path("here"), "--to"),
    ):
        shutil.copyfileobj(file, full)


def test_an_error_that_is_not_of_a_file_is_not_translated() -> None:
    with pytest.raises(ConnectionResetError), folders.writing_to(Path("here"), "--to"):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


def test_a_file_that_does_not_fit_on_its_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / ".file.new").symlink_to(FULL_DISK)
    with pytest.raises(OSError, match="No space left on device") as caught:
        folders.write_atomically(tmp_path / "file", b"0")
    assert caught.value.filename == str(tmp_path / "file")
    assert not (tmp_path / "file").exists()
