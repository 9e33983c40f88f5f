"""What is ours goes, and nothing else."""

from pathlib import Path

from jobs.process import folders


def test_what_is_named_goes_and_the_folder_where_nothing_else_is_in_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "ours").mkdir(parents=True)
    for path in (out / "ours" / "file", out / "mine", out / "yours"):
        path.write_text("")
    assert folders.remove(out, ("ours", "mine", "never-made")) == [out / "ours", out / "mine"]
    assert [path.name for path in out.iterdir()] == ["yours"]
    assert folders.remove(out, ("yours",)) == [out / "yours"]
    assert not out.exists()


def test_a_folder_that_held_nothing_of_ours_stays(tmp_path: Path) -> None:
    assert folders.remove(tmp_path, ("ours",)) == []
    assert folders.remove(tmp_path / "none", ("ours",)) == []
    assert tmp_path.exists()
