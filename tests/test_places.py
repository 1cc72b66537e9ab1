"""Work over places: this process, and a cluster, played here by a few lines that lose what they are told to lose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hubel.errors import DataError, HubelError, MissingExtra, UsageError
from hubel.runtime import cluster
from hubel.runtime.places import Here, check_where
from hubel.watching import Watcher


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def as_instanceof_cause(self) -> Exception:
        return self.args[0]


class Played:
    """As much of Ray as is used, in this process: actors work when they are waited for, and die where `dies` says."""

    class exceptions:
        RayError = RayError
        RayTaskError = RayTaskError

    def __init__(self, cores: list[int], dies: Callable[[Any], bool] = lambda job: False) -> None:
        self.cores, self.dies = cores, dies
        self.killed = 0
        self.joined = False

    def is_initialized(self) -> bool:
        return self.joined

    def init(self, **_: Any) -> None:
        self.joined = True

    def shutdown(self) -> None:
        self.joined = False

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": cores}} for cores in self.cores]

    def kill(self, hand: Any) -> None:
        self.killed += 1

    def remote(self, kind: type) -> Any:
        played = self

        class Call:
            def __init__(self, call: Callable[..., Any]) -> None:
                self.call = call

            def remote(self, *arguments: Any) -> Any:
                return Reference(self.call, arguments)

        class Actor:
            def __init__(self, *arguments: Any) -> None:
                actor = kind(*arguments)
                self.begins, self.work = Call(actor.begins), Call(actor.work)

        class Reference:
            def __init__(self, call: Callable[..., Any], arguments: Any) -> None:
                self.call, self.arguments = call, arguments

            def come(self) -> Any:
                if self.arguments and played.dies(self.arguments[0]):
                    raise RayError("the node has died")
                try:
                    return self.call(*self.arguments)
                except Exception as error:
                    raise RayTaskError(error) from error

        class Kind:
            def options(self, **_: Any) -> Kind:
                return self

            def remote(self, *arguments: Any) -> Actor:
                return Actor(*arguments)

        return Kind()

    def wait(self, references: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return references[:1], references[1:]

    def get(self, reference: Any) -> Any:
        return reference.come()


def doubler() -> Callable[[int], int]:
    def double(number: int) -> int:
        if number < 0:
            raise DataError("below 0")
        return 2 * number // (number != 13)

    return double


def played(monkeypatch: pytest.MonkeyPatch, ray: Played, **settings: Any) -> cluster.Cluster:
    monkeypatch.setattr(cluster, "_ray", lambda on: ray)
    monkeypatch.setattr(cluster, "_join", lambda ray, on, nowhere: ray.init())
    places = cluster.share_out("local", doubler, **settings)
    assert isinstance(places, cluster.Cluster)
    return places


def all_of(places: Any, numbers: list[int]) -> dict[int, Any]:
    found = {}
    for number in numbers:
        places.give(number, lambda number=number: number)
    while places.busy:
        done = places.take()
        assert done.key not in found, "each comes back once"
        found[done.key] = done.error or done.result
    return found


def test_all_jobs_come_back_once_here_and_over_places(monkeypatch: pytest.MonkeyPatch) -> None:
    with Here(doubler) as here:
        expected = all_of(here, [1, 2, 3, 4, 5, -1])
    with played(monkeypatch, Played([2, 1])) as places:
        found = all_of(places, [1, 2, 3, 4, 5, -1])
    assert {key: str(value) for key, value in found.items()} == {key: str(value) for key, value in expected.items()}
    assert isinstance(found[-1], DataError)


def test_a_lost_place_costs_its_job_which_another_does(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [3]

    def dies(job: Any) -> bool:
        return job == 3 and bool(left) and left.pop() == 3

    ray = Played([1, 1], dies)
    said: list[str] = []
    watch = Watcher()
    monkeypatch.setattr(watch, "remark", said.append)
    with played(monkeypatch, ray, watch=watch) as places:
        assert all_of(places, [1, 2, 3, 4]) == {1: 2, 2: 4, 3: 6, 4: 8}
        assert places.lost == 1
    assert said == [
        "2 places on 2 machines of the cluster, each with 1 core",
        "a place was lost (the node has died); its job is done again",
    ]
    assert ray.killed == 2, "nobody is left working"
    assert not ray.joined


def test_a_job_that_ends_every_place_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with played(monkeypatch, Played([1, 1], lambda job: job == 2)) as places:
        found = all_of(places, [1, 2])
    assert found[1] == 2
    assert "3 places were lost with it: the node has died" in str(found[2])


def test_a_fault_of_ours_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError), played(monkeypatch, Played([1])) as places:
        all_of(places, [13])


def test_what_is_sent_is_asked_for_when_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    with played(monkeypatch, Played([1])) as places:
        for number in (1, 2):
            places.give(number, lambda number=number: asked.append(number) or number)
        assert not places.free
        assert places.take().key == 1
        assert asked == [1], "time may pass before the other begins"


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"cores": 4}, "no machine of the cluster has 4 cores for a place; cores of each: 2, 1"),
     ({"cores": 2, "gpu": True}, "")],
)  # fmt: skip
def test_places_need_room(settings: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = Played([2, 1])
    if said:
        with pytest.raises(UsageError, match=said), played(monkeypatch, ray, **settings):
            pass
        assert not ray.joined
    else:  # a GPU where there are any, and there are none
        with played(monkeypatch, ray, **settings) as places:
            assert all_of(places, [1]) == {1: 2}


@pytest.mark.parametrize("where", ["slurm", "ray://head", "ray://:1", "head:0", "ray://head:99999", "a/b:3", ""])
def test_what_is_no_place_is_refused(where: str) -> None:
    with pytest.raises(UsageError, match="on must be here, local"):
        check_where(where)


def test_a_cluster_that_is_not_there_and_a_package_that_is_not_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubelError, match=r"no cluster answers at ray://127\.0\.0\.1:9"):
        cluster._join(Played([1]), "ray://127.0.0.1:9", "/")

    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(cluster.importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match="--on local needs the package 'ray'"):
        cluster.share_out("local", doubler)
