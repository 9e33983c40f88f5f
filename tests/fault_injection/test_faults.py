"""Every step ends right although calls to S3 and to Postgres fail, and makes what it makes without faults.

`--fault-runs 20 --seed 7` runs the whole release twenty times. A failure prints the seed, which repeats the faults.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import steps
from jobs.local import services
from jobs.sample.rows import write_sample
from jobs.storage import artifact, layout
from tests.environment import set_only
from tests.fault_injection.release import NAME, SETTINGS, Release, proxies

pytestmark = [pytest.mark.kills, pytest.mark.timeout(7200)]

S3_PROBABILITY, POSTGRES_PROBABILITY = 0.1, 0.1
ATTEMPTS = 100


@pytest.fixture(scope="module")
def release(service_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    folder = tmp_path_factory.mktemp("faults")
    write_sample(folder / "rows.jsonl.gz", rows=160, seed=5)
    own = services.read_environment(service_folder) | {
        "SKUSCRIBE_STORE": f"s3://skuscribe/{NAME}",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder),
        "SKUSCRIBE_INPUT": str(folder / "rows.jsonl.gz"),
    }
    with pytest.MonkeyPatch.context() as patch:
        set_only(patch, {})
        run = Release({**own, **{f"SKUSCRIBE_{name}": value for name, value in SETTINGS.items()}}, folder / "output")
        run.clear()
        yield run
        run.clear()


@pytest.fixture(scope="module")
def undisturbed(release: Release) -> dict[str, str]:
    """Return the digests of what the release makes without faults, except its report."""
    for step in steps.in_order():
        assert release.run(step) == 0, f"{step.name}: {release.output.read_text()[-3000:]}"
    made = without_report(release)
    assert layout.merged_model_path(NAME, 1) in made, "the shards are not trained at once"
    return made


def test_a_release_with_faults_makes_what_it_makes_without(
    release: Release, undisturbed: dict[str, str], fault_runs: int, seed: int
) -> None:
    for run in range(fault_runs):
        release.clear()
        with proxies(release.variables, S3_PROBABILITY, POSTGRES_PROBABILITY, f"{seed} {run}") as running:
            codes = {step.name: release.run_until_done(step, running.variables, ATTEMPTS) for step in steps.in_order()}
        print(f"run {run}: calls and faults {running.counts}, exit codes {codes}")
        wrong = {name: ended for name, ended in codes.items() if ended[-1] != 0 or set(ended) - {0, 75}}
        assert not wrong, f"seed {seed}, run {run}: {wrong}\n{release.output.read_text()[-3000:]}"
        assert without_report(release) == undisturbed, f"seed {seed}, run {run}"
        assert report_digest(release) == report_digest_made_again(release), f"seed {seed}, run {run}"
        assert running.counts["s3"]["calls"] > 100, "the steps did not go through the proxy"


def without_report(release: Release) -> dict[str, str]:
    path = release.report_path()
    return {name: digest for name, digest in release.made().items() if not name.startswith(path)}


def report_digest(release: Release) -> str:
    return release.made()[release.report_path()]


def report_digest_made_again(release: Release) -> str:
    """Return the digest of a report on the same run, made without faults."""
    artifact.remove(release.store, release.report_path())
    step = steps.by_name("report")
    assert release.run(step) == 0
    return report_digest(release)
