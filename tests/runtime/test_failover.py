"""Failover, specified: a lost provider costs reviews, never the station, and gives no PASS."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from edgecls import Outcome, Verdict
from edgecls.bundle import Bundle
from edgecls.errors import ProviderError
from edgecls.frame import Frame
from edgecls_runtime.config import JournalSettings, Settings
from edgecls_runtime.decision import Rule
from edgecls_runtime.failover import Failover
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.wiring import open_stations
from parts import Made
from servers import card

FRAME = Frame(card(128, 128, 128, (64, 64)), 0, 0.0, "test")
SOON_S = 20.0


def until(true: Callable[[], object]) -> None:
    """Wait for something that comes soon, or fail."""
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def answers(classify: Failover) -> bool:
    try:
        classify(FRAME)
    except ProviderError:
        return False
    return True


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def classify(made: Made, said: list[str]) -> Failover:
    bundle = Bundle.open(made.path)
    return Failover(lambda: open_classifier(bundle, Allowed(), said.append), said.append)


def test_a_lost_provider_is_opened_again_and_answers_as_before(
    classify: Failover, said: list[str]
) -> None:
    before = classify(FRAME)

    classify.classifier.close()  # as a device that was reset: every call fails from now on
    with pytest.raises(ProviderError, match="closed; open the bundle again"):
        classify(FRAME)
    until(lambda: answers(classify))

    assert (classify(FRAME).scores == before.scores).all()
    assert classify.lost == 1
    assert said[0].startswith("provider lost: model.")
    assert said[-1] == f"provider back: {classify.classifier.variant.name} on CPUExecutionProvider"


def test_a_lost_device_that_does_not_let_go_is_opened_again_all_the_same(
    classify: Failover, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = classify.classifier
    lost.close()
    monkeypatch.setattr(type(lost), "close", Mock(side_effect=[OSError("device is gone"), None]))

    with pytest.raises(ProviderError):
        classify(FRAME)

    until(lambda: answers(classify))


def test_meanwhile_every_call_fails_at_once_with_the_reason(made: Made, said: list[str]) -> None:
    bundle, gone, tried = Bundle.open(made.path), threading.Event(), threading.Event()

    def opened() -> object:
        if gone.is_set():
            tried.set()
            raise ProviderError("CUDAExecutionProvider: device lost")
        return open_classifier(bundle, Allowed(), said.append)

    classify = Failover(opened, said.append)  # type: ignore[arg-type]
    gone.set()
    classify.classifier.close()
    with pytest.raises(ProviderError):
        classify(FRAME)
    until(tried.is_set)
    until(lambda: "device lost" in fault(classify))

    started = time.monotonic()
    with pytest.raises(ProviderError, match="CUDAExecutionProvider: device lost; being opened"):
        classify(FRAME)
    assert time.monotonic() - started < 0.1
    gone.clear()
    until(lambda: answers(classify))


def fault(classify: Failover) -> str:
    try:
        classify(FRAME)
    except ProviderError as error:
        return str(error)
    return ""


def test_one_loss_that_many_cameras_see_is_one_loss(classify: Failover) -> None:
    classify.classifier.close()
    threads = [threading.Thread(target=answers, args=(classify,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: answers(classify))

    assert classify.lost == 1


def test_a_closed_one_is_not_opened_again(classify: Failover) -> None:
    classify.close()
    classify.close()

    assert not answers(classify)
    assert classify.lost == 0


def test_a_station_reviews_while_its_provider_is_lost_and_the_journal_knows_who_judged(
    made: Made, tmp_path: Path
) -> None:
    settings = Settings(
        bundle=made.path,
        camera={"kind": "fake", "height_px": 64, "width_px": 64, "rate_hz": 50.0, "frames": 9999},
        rule=Rule(good=("good", "scratch"), min_score=0.0, min_margin=0.0),
        journal=JournalSettings(tmp_path / "v.db"),
        outputs=(),
    )
    verdicts: list[Verdict] = []
    with open_stations([(settings, Path())]) as opened:
        for verdict in opened.stations[0].run(lambda: len(verdicts) > 500):
            verdicts.append(verdict)
            if len(verdicts) == 3:
                opened.classifiers[0].classifier.close()
            if len(verdicts) > 4 and verdict.outcome is Outcome.PASS:
                break

    outcomes = [verdict.outcome for verdict in verdicts]
    assert outcomes[:4] == [Outcome.PASS] * 3 + [Outcome.REVIEW]
    assert outcomes[-1] is Outcome.PASS
    assert {*outcomes[3:-1]} == {Outcome.REVIEW}
    database = sqlite3.connect(tmp_path / "v.db")
    sessions = database.execute("SELECT placement, ended_at FROM sessions").fetchall()
    judged = database.execute("SELECT session, outcome FROM verdicts ORDER BY id").fetchall()
    database.close()
    assert len(sessions) == 2
    assert all(ended for _, ended in sessions)
    assert sessions[0][0].startswith("100 % of the arithmetic")
    assert judged[0] == (1, "pass")
    assert judged[-1] == (2, "pass")
