"""What the page answers to those who may ask: figures, pictures, searches, changes."""

import email.policy
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from email.parser import BytesParser
from http.client import HTTPConnection
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecls.frame import Frame
from edgecls_runtime.evidence import relabels
from edgecls_runtime.web.hub import MOST_KEPT
from edgecls_runtime.web.serving import Web
from trigger_sources import until
from web_station import (
    BUNDLE,
    LABELS,
    TOKEN,
    WAIT_S,
    Answer,
    Station,
    ask,
    drawn_part,
    page_of,
    station_of,
)

SMALL = (90, 120)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with station_of(tmp_path) as station:
        yield station


@pytest.fixture
def page(station: Station) -> Iterator[Web]:
    with page_of(station) as page:
        yield page


def pixels(jpeg: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def fields(answer: Answer) -> dict[str, bytes]:
    """Return the fields of a form, as a browser reads them."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    form = BytesParser(policy=email.policy.HTTP).parsebytes(head + answer.body)
    return {
        str(part.get_param("name", header="content-disposition")): bytes(
            part.get_payload(decode=True)
        )
        for part in form.iter_parts()
    }


def parts(answer: Answer) -> list[str]:
    verdicts = answer.table["verdicts"]
    assert isinstance(verdicts, list)
    return [one["part"] for one in verdicts]


def test_the_status_is_what_the_wiring_says_and_the_latency_of_late(
    station: Station, page: Web
) -> None:
    for number, counts_as in enumerate(("pass", "pass", "fail", "missed")):
        station.judge(number, counts_as)

    found = ask(page, "/api/status").table

    assert found["station"] == "Line 3, bolt heads"
    assert (found["bundle"], found["recipe"], found["labels"]) == (BUNDLE, "M8", list(LABELS))
    assert found["balance"] == {
        "triggers": 5,
        "pass": 2,
        "fail": 1,
        "review": 0,
        "missed": 1,
        "error": 0,
        "waiting": 1,
        "incidents": 0,
        "is_balanced": True,
    }
    assert found["state"] == "warning"
    assert found["latency_ms"] == {"p50": 18.4, "p95": 18.4, "p99": 18.4}
    assert found["can"] == {"search": True, "relabel": True, "change": True, "sign_out": True}


def test_health_says_whether_the_station_can_be_asked(page: Web) -> None:
    answer = ask(page, "/api/health")

    assert (answer.status, answer.table) == (200, {"ok": True, "state": "warning"})


def test_the_live_view_is_the_newest_verdict_with_its_own_frame(
    station: Station, page: Web
) -> None:
    station.judge(1, image=drawn_part(1, size=SMALL))
    station.judge(2, "fail", image=drawn_part(2, "dent", SMALL), looks=True)

    found = fields(ask(page, "/api/live"))
    told = json.loads(found["verdict"])

    assert (told["number"], told["frame_px"]) == (2, [120, 90])
    assert (told["verdict"]["part"], told["verdict"]["counts_as"]) == ("bolt 2", "fail")
    assert [look["name"] for look in told["verdict"]["looks"]] == ["head", "recess"]
    difference = np.abs(pixels(found["picture"]).astype(int) - drawn_part(2, "dent", SMALL))
    assert difference.mean() < 8


def test_the_live_view_waits_for_what_comes_next(station: Station, page: Web) -> None:
    station.judge(1)
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)) as connection:
        connection.request("GET", "/api/live?after=1", headers={"Authorization": f"Bearer {TOKEN}"})
        until(lambda: page._server.server_state.tasks)
        station.judge(2, "missed")
        answer = connection.getresponse()
        found = fields(Answer(answer.status, answer.headers, answer.read()))

    assert json.loads(found["verdict"])["verdict"]["reason"] == (
        "usb camera 0: no frame within 1 s; 312 delivered before"
    )
    assert "picture" not in found


def test_after_a_restart_of_the_station_the_live_view_begins_anew(
    station: Station, page: Web
) -> None:
    station.judge(1)

    assert json.loads(fields(ask(page, "/api/live?after=5000"))["verdict"])["number"] == 1


def test_a_large_frame_is_shrunk_by_a_whole_factor(station: Station, page: Web) -> None:
    assert ask(page, "/api/live.jpg").status == 404
    station.judge(1, image=drawn_part(1, size=(1500, 2050)))

    found = ask(page, "/api/live.jpg")

    assert pixels(found.body).shape == (500, 683, 3)
    assert found.headers["X-Verdict"].endswith("-1")


def test_nobody_looks_and_no_picture_is_made(station: Station, page: Web) -> None:
    for number in range(5):
        station.judge(number, image=drawn_part(1, size=SMALL))
    ask(page, "/api/status")
    made = page.inside.live.pictures

    assert made == 0


def test_the_stream_tells_verdicts_status_and_gaps(station: Station, page: Web) -> None:
    station.judge(1, "fail")
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)) as connection:
        headers = {"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": f"{station.hub.run}-0"}
        connection.request("GET", "/api/events", headers=headers)
        answer = connection.getresponse()
        first = [answer.readline().decode().strip() for _ in range(7)]
        for number in range(2, MOST_KEPT + 20):
            station.hub.send(station.judge(number, tell=False))
        lines = []
        while "event: gap" not in lines and f"id: {station.hub.run}-{MOST_KEPT}" not in lines:
            lines.append(answer.readline().decode().strip())

    assert first[0] == "event: status"
    assert first[3:5] == [f"id: {station.hub.run}-1", "event: verdict"]
    assert json.loads(first[5].removeprefix("data: "))["part"] == "bolt 1"


def test_a_stream_that_was_left_behind_is_told_how_much_it_missed(
    station: Station, page: Web
) -> None:
    for number in range(MOST_KEPT + 10):
        station.judge(number)
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)) as connection:
        headers = {"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": f"{station.hub.run}-4"}
        connection.request("GET", "/api/events", headers=headers)
        answer = connection.getresponse()
        lines = [answer.readline().decode().strip() for _ in range(5)]

    assert lines[3:] == ["event: gap", 'data: {"skipped": 6}']


def test_a_stream_ends_when_its_session_does(page: Web) -> None:
    mine = f"http://127.0.0.1:{page.port}"
    signed_in = ask(page, "/login", "POST", {"token": TOKEN}, signed=False, Origin=mine)
    cookie = str(signed_in.headers["Set-Cookie"]).partition(";")[0]
    with closing(HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)) as connection:
        connection.request("GET", "/api/events?verdicts=0", headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.readline() == b"event: status\n"
        ask(page, "/logout", "POST", {}, signed=False, Cookie=cookie, Origin=mine)

        assert answer.read().endswith(b"event: end\ndata: {}\n\n")


def test_the_journal_is_searched_by_outcome_text_part_and_label(
    station: Station, page: Web
) -> None:
    for number, counts_as in enumerate(("pass", "fail", "review", "missed", "error"), 1):
        station.judge(number, counts_as)

    assert parts(ask(page, "/api/verdicts")) == [f"bolt {n}" for n in (5, 4, 3, 2, 1)]
    assert parts(ask(page, "/api/verdicts?outcome=fail,review")) == ["bolt 3", "bolt 2"]
    assert parts(ask(page, "/api/verdicts?text=no%20frame")) == ["bolt 4"]
    assert parts(ask(page, "/api/verdicts?text=BOLT%205")) == ["bolt 5"]
    assert parts(ask(page, "/api/verdicts?part=bolt%201")) == ["bolt 1"]
    assert parts(ask(page, "/api/verdicts?label=scratch")) == ["bolt 3", "bolt 2"]


def test_the_journal_is_searched_by_time_and_page_by_page(station: Station, page: Web) -> None:
    for number in range(1, 11):
        station.judge(number)
    station.spread(10)  # an hour between two
    everything = ask(page, "/api/verdicts").table["verdicts"]
    assert isinstance(everything, list)
    at = {one["part"]: one["recorded_at"] for one in everything}

    since, until_ = at["bolt 4"], at["bolt 7"]
    query = f"since={since[:-6]}Z&until={until_[:-6]}Z"
    between = ask(page, f"/api/verdicts?{query}")
    first = ask(page, f"/api/verdicts?{query}&most=2")
    second = ask(page, f"/api/verdicts?{query}&most=2&before={first.table['next']}")

    assert parts(between) == ["bolt 6", "bolt 5", "bolt 4"]
    assert (parts(first), parts(second)) == (["bolt 6", "bolt 5"], ["bolt 4"])
    assert between.table["next"] == second.table["next"] == ""


def test_one_verdict_is_given_as_outputs_are_told_it(station: Station, page: Web) -> None:
    kept = station.judge(7, "review", image=drawn_part(1, size=SMALL), looks=True)

    found = ask(page, f"/api/verdicts/{kept.id}").table

    told = json.loads(json.dumps(kept.table()))
    assert found == {**told, "counts_as": "review", "has_image": True, "said": ""}
    assert ask(page, "/api/verdicts/0a-99").status == 404


def test_a_kept_image_is_given_whole_and_small_and_not_again(station: Station, page: Web) -> None:
    kept = station.judge(1, "fail", image=drawn_part(1, "dent", (1080, 1440)))
    other = station.judge(2, "fail")

    whole = ask(page, f"/api/images/{kept.id}")
    small = ask(page, f"/api/images/{kept.id}?size=small")
    again = ask(page, f"/api/images/{kept.id}", If_None_Match=whole.headers["ETag"])

    path = station.pictures.find(kept.id)
    assert path is not None
    assert whole.body == path.read_bytes()
    assert whole.headers["Content-Type"] == "image/jpeg"
    assert pixels(small.body).shape == (360, 480, 3)
    assert (again.status, again.body) == (304, b"")
    assert ask(page, f"/api/images/{other.id}").table == {
        "error": f"verdict {other.id}: no image is kept"
    }


def test_what_is_no_image_is_not_given_away(station: Station, page: Web) -> None:
    kept = station.judge(1, "fail", image=drawn_part(1, size=SMALL))
    path = station.pictures.find(kept.id)
    assert path is not None
    path.write_text("<script>", encoding="utf-8")

    assert ask(page, f"/api/images/{kept.id}").status == 404
    assert ask(page, f"/api/images/{kept.id}?size=small").status == 404


def test_a_label_is_kept_beside_the_images_and_can_be_taken_back(
    station: Station, page: Web
) -> None:
    kept = station.judge(1, "fail", image=drawn_part(1, size=SMALL))

    said = ask(page, "/api/relabel", "POST", {"verdict": kept.id, "label": "ok"}).table
    found = relabels.read(station.evidence)[kept.id]
    back = ask(page, "/api/relabel", "POST", {"verdict": kept.id, "label": ""}).table

    assert (said["said"], back["said"]) == ("ok", "")
    assert (found.label, found.by) == ("ok", "token at 127.0.0.1")
    assert relabels.read(station.evidence) == {}


def test_a_label_for_what_was_never_judged_is_refused(station: Station, page: Web) -> None:
    answer = ask(page, "/api/relabel", "POST", {"verdict": "0a-99", "label": "ok"})

    assert (answer.status, answer.table) == (
        404,
        {"error": "verdict 0a-99: not in this journal"},
    )
    assert not (station.evidence / relabels.FILE).exists()


def test_labels_that_other_programs_write_are_shown(station: Station, page: Web) -> None:
    kept = station.judge(1, "fail")
    relabels.add(station.evidence, kept.id, "dent", "joe")

    assert ask(page, f"/api/verdicts/{kept.id}").table["said"] == "dent"


def test_the_yield_is_counted_by_time(station: Station, page: Web) -> None:
    for number in range(40):
        station.judge(number, "fail" if number % 4 == 0 else "pass")
    station.spread(4)

    found = ask(page, "/api/trend?hours=8").table
    points = found["points"]
    assert isinstance(points, list)
    station.judge(41, "missed")
    later = ask(page, "/api/trend?hours=8").table["points"]
    assert isinstance(later, list)

    assert found["step_min"] == 5
    assert sum(point.get("pass", 0) for point in points) == 30
    assert sum(point.get("fail", 0) for point in points) == 10
    assert sum(point.get("missed", 0) for point in later) == 1
    assert ask(page, "/api/trend?hours=25").status == 400


def test_the_recipe_is_changed_by_who_is_signed_in_and_that_is_said(
    station: Station, page: Web
) -> None:
    before = ask(page, "/api/recipe").table
    answer = ask(page, "/api/recipe", "POST", {"recipe": "M10 stainless"})

    assert before == {"recipe": "M8", "recipes": ["M8", "M10 stainless"]}
    assert (answer.status, answer.table) == (
        200,
        {"accepted": True, "text": "recipe M10 stainless: recipe M10 stainless judges"},
    )
    assert station.changing.recipe == "M10 stainless"
    assert "web page: token at 127.0.0.1 asks for recipe M10 stainless" in station.said


def test_a_recipe_that_there_is_not_is_refused(page: Web) -> None:
    answer = ask(page, "/api/recipe", "POST", {"recipe": "M9"})

    assert (answer.status, answer.table) == (
        400,
        {"error": "recipe: 'M9'; expected one of M8, M10 stainless"},
    )


def test_a_bundle_that_is_refused_says_why(page: Web) -> None:
    offered = ask(page, "/api/bundle").table
    good = ask(page, "/api/bundle", "POST", {"bundle": "bolt-head-4.bundle"})
    bad = ask(page, "/api/bundle", "POST", {"bundle": "bad.bundle"})

    assert offered == {
        "bundle": BUNDLE,
        "folder": "bolt-head.bundle",
        "bundles": ["bad.bundle", "bolt-head-4.bundle", "bolt-head.bundle"],
    }
    assert (good.status, bad.status) == (200, 409)
    assert "answers 3 of 5 golden samples wrongly" in str(bad.table["text"])


def test_frames_of_several_cameras_are_looked_at_one_by_one(station: Station, page: Web) -> None:
    for camera, number in (("top", 1), ("side", 2), ("top", 3)):
        frame = Frame(drawn_part(number, size=SMALL), number, 0.0, camera)
        told = station.judge(number, tell=False)
        station.hub.send(replace(told, camera=camera, frame=frame))

    top = json.loads(fields(ask(page, "/api/live?camera=top"))["verdict"])
    side = json.loads(fields(ask(page, "/api/live?camera=side"))["verdict"])

    assert (top["number"], side["number"]) == (3, 2)
    assert ask(page, "/api/status").table["cameras"] == ["side", "top"]
