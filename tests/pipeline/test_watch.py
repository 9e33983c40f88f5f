"""The changes of a release: how a watch resumes, when everything is listed again, and the errors of the API."""

import itertools
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from jobs.pipeline import backoff, watch
from jobs.pipeline import cluster as cluster_module
from jobs.pipeline.cluster import JOBS, Cluster
from jobs.pipeline.watch import changes
from jobs.process.errors import ConfigurationError, NotReadyError
from tests.fake_api import Answer, FakeApi, error_answer, list_answer, watch_answer


@pytest.fixture(autouse=True)
def fast_retries_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short delays, and no proxy between the client and the fake server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    for module in (cluster_module, watch):
        monkeypatch.setattr(module, "ACCESS_RETRY_SECONDS", 0.3)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A function that points KUBECONFIG at a fake API."""
    return lambda api: monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))


def job(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def first_changes(
    use: Any, count: int, *answers: Answer, retry_seconds: float = 60
) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """The first changes, and for each request the resource version that its watch starts from, or "list"."""
    with FakeApi(*answers) as api:
        use(api)
        first = itertools.islice(changes(Cluster(retry_seconds=retry_seconds), "a=b"), count)
        yielded = [(str(change.kind), [item["metadata"]["name"] for item in change.objects]) for change in first]
    queries = [parse_qs(urlsplit(path).query) for path in api.requested]
    return yielded, [query["resourceVersion"][0] if "watch" in query else "list" for query in queries]


def test_the_existing_objects_come_first_then_their_changes(use: Any) -> None:
    yielded, requested = first_changes(
        use,
        3,
        list_answer("5", job("one", "3")),
        watch_answer(("MODIFIED", job("one", "6")), ("DELETED", job("one", "7"))),
    )
    assert yielded == [("listed", ["one"]), ("changed", ["one"]), ("deleted", ["one"])]
    assert requested == ["list", "5"]


@pytest.mark.parametrize(
    "failure",
    [error_answer(500, "etcd"), error_answer(429, "slow down"), error_answer(403, "not yet"), Answer(502, ["no json"])],
)
def test_after_an_error_the_watch_resumes_from_the_last_version(failure: Answer, use: Any) -> None:
    yielded, requested = first_changes(
        use,
        3,
        list_answer("5"),
        watch_answer(("ADDED", job("one", "6")), truncated=True),
        failure,
        watch_answer(("BOOKMARK", job("", "9"))),
        watch_answer(("ADDED", job("two", "10"))),
    )
    assert yielded == [("listed", []), ("changed", ["one"]), ("changed", ["two"])]
    assert requested == ["list", "5", "6", "6", "9"]


@pytest.mark.parametrize(
    "expired", [error_answer(410, "too old"), watch_answer(("ERROR", {"code": 410, "message": "too old"}))]
)
def test_everything_is_listed_again_when_the_version_has_expired(expired: Answer, use: Any) -> None:
    yielded, requested = first_changes(use, 2, list_answer("5", job("one", "3")), expired, list_answer("900"))
    assert yielded == [("listed", ["one"]), ("listed", [])]
    assert requested == ["list", "5", "list"]


def test_watches_that_end_at_once_are_limited_by_the_retry_time(use: Any) -> None:
    with pytest.raises(NotReadyError, match="ends as soon as it starts"):
        first_changes(use, 2, list_answer("5"), watch_answer(), retry_seconds=0.5)


def test_an_unreachable_api_server_is_not_ready(use: Any) -> None:
    with FakeApi(list_answer("5")) as api:
        use(api)
    with pytest.raises(NotReadyError, match=r"the Kubernetes API at http://127\.0\.0\.1:\d+ can't be reached"):
        Cluster(retry_seconds=0.2).list(JOBS, "")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (error_answer(401, "Unauthorized"), ConfigurationError, "rejects the credentials"),
        (error_answer(403, "forbidden"), ConfigurationError, r"lacks the verb 'list' on jobs\.batch"),
        (error_answer(403, "admission webhook x denied it"), ConfigurationError, "or an admission webhook or policy"),
        (error_answer(403, "exceeded quota: jobs"), NotReadyError, "Free some of the quota"),
        (error_answer(422, "spec: Invalid"), ConfigurationError, r"to list jobs\.batch .* \(422\): spec: Invalid"),
        (error_answer(503, "starting"), NotReadyError, "returns 503"),
    ],
)
def test_each_error_of_the_api_has_its_meaning(answer: Answer, error: type[Exception], message: str, use: Any) -> None:
    with FakeApi(answer) as api:
        use(api)
        with pytest.raises(error, match=message):
            Cluster(retry_seconds=0.5).list(JOBS, "")


def test_a_request_is_retried_until_it_succeeds(use: Any) -> None:
    answers = error_answer(503, "starting"), error_answer(403, "roles unknown"), list_answer("5", job("one", "3"))
    with FakeApi(*answers) as api:
        use(api)
        cluster = Cluster()
        assert cluster.namespace == "here"
        assert cluster.list(JOBS, "").version == "5"
        assert len(api.requested) == 3


def test_reading_a_missing_object_and_creating_an_existing_one_return_none(use: Any) -> None:
    with FakeApi(error_answer(404, "not found"), error_answer(409, "already exists")) as api:
        use(api)
        assert Cluster().read(JOBS, "one") is None
        assert Cluster().create(JOBS, {}) is None
