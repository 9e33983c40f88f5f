"""The lock of a state folder: it has one holder at a time, and a second one waits, up to a limit."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs.local import lock
from jobs.process.errors import ConfigurationError, NotReadyError


def test_a_second_process_waits_until_the_first_is_done(tmp_path: Path) -> None:
    order: list[str] = []

    def work() -> None:
        with lock.exclusive(tmp_path):
            order.append("second")

    second = threading.Thread(target=work)
    with lock.exclusive(tmp_path):
        second.start()
        second.join(5 * lock.POLL_SECONDS)
        order.append("first")
    second.join()
    assert order == ["first", "second"]


def test_a_lock_that_is_held_for_too_long_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.3)
    with (
        lock.exclusive(tmp_path),
        pytest.raises(NotReadyError, match=r"another process.*services\.lock.*run again"),
        lock.exclusive(tmp_path),
    ):
        pass


def test_a_folder_that_its_holder_removes_is_made_again_for_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    held: list[bool] = []

    def work() -> None:
        with lock.exclusive(folder):
            held.append((folder / lock.FILE).exists())

    second = threading.Thread(target=work)
    with lock.exclusive(folder):
        second.start()
        second.join(5 * lock.POLL_SECONDS)
        (folder / lock.FILE).unlink()
        folder.rmdir()
    second.join()
    assert held == [True]


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom jobs.local import lock\n"
        "with lock.exclusive(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    assert (tmp_path / lock.FILE).exists()
    with lock.exclusive(tmp_path):
        pass


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/x"])
def test_a_folder_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(
            ConfigurationError, match=f"state folder {tmp_path / name}: expected a folder that can be written"
        ),
        lock.exclusive(tmp_path / name),
    ):
        pass
