"""Following a release: the watch is taken up again where it broke off, or all is listed again. And what errors mean."""

import itertools
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from jobs.pipeline import cluster as cluster_module
from jobs.pipeline import watch
from jobs.pipeline.cluster import JOBS, Cluster
from jobs.pipeline.watch import follow
from jobs.process.errors import ConfigurationError, NotReadyError
from tests.fake_api import Answer, FakeApi, events, listing, refusal


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for, and nothing between us and the server on this machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cluster_module, "FIRST_PAUSE_SECONDS", 0.01)
    for module in (cluster_module, watch):
        monkeypatch.setattr(module, "REFUSED_SECONDS", 0.3)


def job(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def first_changes(
    count: int, folder: Path, monkeypatch: pytest.MonkeyPatch, *answers: Answer, patience_seconds: float = 5
) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """The first changes that `follow` tells of, and the version that each watch asked for ("list" for a list)."""
    with FakeApi(*answers) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(folder)))
        found = itertools.islice(follow(Cluster(patience_seconds=patience_seconds), JOBS, "a=b"), count)
        told = [(str(change.kind), [item["metadata"]["name"] for item in change.items]) for change in found]
    queries = [parse_qs(urlsplit(path).query) for path in api.asked]
    return told, [query["resourceVersion"][0] if "watch" in query else "list" for query in queries]


def test_what_there_is_comes_first_then_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, asked = first_changes(
        3,
        tmp_path,
        monkeypatch,
        listing("5", job("one", "3")),
        events(("MODIFIED", job("one", "6")), ("DELETED", job("one", "7"))),
    )
    assert told == [("listed", ["one"]), ("changed", ["one"]), ("deleted", ["one"])]
    assert asked == ["list", "5"]


@pytest.mark.parametrize(
    "trouble", [refusal(500, "etcd"), refusal(429, "slow down"), refusal(403, "not yet"), Answer(502, ["no json"])]
)
def test_after_trouble_the_watch_goes_on_from_the_last_version_seen(
    trouble: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, asked = first_changes(
        3,
        tmp_path,
        monkeypatch,
        listing("5"),
        events(("ADDED", job("one", "6")), breaks_off=True),
        trouble,
        events(("BOOKMARK", job("", "9"))),
        events(("ADDED", job("two", "10"))),
    )
    assert told == [("listed", []), ("changed", ["one"]), ("changed", ["two"])]
    assert asked == ["list", "5", "6", "6", "9"]


@pytest.mark.parametrize("gone", [refusal(410, "too old"), events(("ERROR", {"code": 410, "message": "too old"}))])
def test_when_the_version_is_too_old_everything_is_listed_again(
    gone: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, asked = first_changes(2, tmp_path, monkeypatch, listing("5", job("one", "3")), gone, listing("900"))
    assert told == [("listed", ["one"]), ("listed", [])]
    assert asked == ["list", "5", "list"]


def test_a_watch_that_ends_quietly_again_and_again_is_asked_for_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotReadyError, match="ends as soon as it begins"):
        first_changes(2, tmp_path, monkeypatch, listing("5"), events(), patience_seconds=0.5)


def test_an_api_server_that_stays_away_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeApi(listing("5")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
    with pytest.raises(NotReadyError, match=r"the Kubernetes API at http://127\.0\.0\.1:\d+ can't be reached"):
        Cluster(patience_seconds=0.2).list(JOBS, "")


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (refusal(401, "Unauthorized"), ConfigurationError, "does not know this account"),
        (refusal(403, "forbidden"), ConfigurationError, r"needs the verb 'list' on jobs\.batch"),
        (refusal(403, "exceeded quota: jobs"), NotReadyError, "Free some of the quota"),
        (refusal(422, "spec: Invalid"), ConfigurationError, r"refuses to list jobs\.batch .* \(422\): spec: Invalid"),
        (refusal(503, "starting"), NotReadyError, "answers 503"),
    ],
)
def test_what_an_answer_means(
    answer: Answer, kind: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeApi(answer) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        with pytest.raises(kind, match=message):
            Cluster(patience_seconds=0.5).list(JOBS, "")


def test_trouble_that_passes_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeApi(
        refusal(503, "starting"), refusal(403, "roles are not read yet"), listing("5", job("one", "3"))
    ) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        cluster = Cluster()
        assert cluster.namespace == "here"
        assert cluster.list(JOBS, "").version == "5"
        assert cluster.calls == 3


def test_a_read_of_nothing_and_a_creation_of_what_is_there_are_no_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeApi(refusal(404, "not found"), refusal(409, "already exists")) as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        assert Cluster().read(JOBS, "one") is None
        assert Cluster().create(JOBS, {}) is None
