"""Verdicts of frames, of frames in a row and of cameras become one: by brute force over them all.

Whatever is combined, with whatever settings: no PASS without enough verdicts that are a PASS.
"""

import re
from itertools import product

import numpy as np
import pytest

from edgecls import Outcome, Prediction
from edgecls.errors import ConfigError
from edgecls.frame import Frame
from edgecls.verdict import Cause, Verdict
from edgecls_runtime.decision.cameras import Cameras, Parts, together
from edgecls_runtime.decision.rule import Rule
from edgecls_runtime.decision.several import Places
from edgecls_runtime.decision.streak import Steadied
from edgecls_runtime.decision.votes import Vote, voted

LABELS = ("ok", "scratch", "dent")
P, F, R = Outcome.PASS, Outcome.FAIL, Outcome.REVIEW
RULE = Rule(("ok",))
FRAME = Frame(np.zeros((4, 6, 3), np.uint8), 7, 2.0)


def scored(*scores: float) -> Verdict:
    return RULE(Prediction(np.array(scores, np.float32), LABELS))


# P passes, F fails, R is unsure, n is no number, u is not fit, - is missing, e met an error.
KINDS = {
    "P": scored(0.99, 0.01, 0.0),
    "p": scored(0.93, 0.07, 0.0),
    "F": scored(0.02, 0.98, 0.0),
    "f": scored(0.05, 0.0, 0.95),
    "R": scored(0.6, 0.3, 0.1),
    "n": scored(float("nan"), 0.5, 0.5),
    "u": Verdict(R, "camera: frame is black"),
    "-": Verdict(R, "missed: no frame", cause=Cause.MISSED),
    "e": Verdict(R, "engine: lost", cause=Cause.ERROR),
}


def kinds(text: str) -> list[Verdict]:
    return [KINDS[kind] for kind in text]


@pytest.mark.parametrize(
    ("vote", "frames", "outcome", "reason"),
    [
        (Vote(3), "PpP", P, "frame 2: ok scored 0.930; 3 of 3 frames pass"),
        (Vote(3), "PPR", R, "frame 3: ok scored 0.600 < 0.9; 2 of 3 frames pass, 1 review"),
        (
            Vote(5, 3),
            "PpPR-",
            P,
            "frame 2: ok scored 0.930; 3 of 5 frames pass, 1 review, 1 missed",
        ),
        (Vote(5, 3), "PPPPf", F, "frame 5: dent scored 0.950; 4 of 5 frames pass, 1 fail"),
        (
            Vote(5, 3, 1),
            "PPPFR",
            P,
            "frame 1: ok scored 0.990; 3 of 5 frames pass, 1 fail, 1 review",
        ),
        (Vote(5, 3, 1), "fFPPP", F, "frame 2: scratch scored 0.980; 3 of 5 frames pass, 2 fail"),
        (Vote(5, 3), "PP---", R, "frame 3: missed: no frame; 2 of 5 frames pass, 3 missed"),
        (Vote(5, 3), "PP", R, "frame 1: ok scored 0.990; 2 of 5 frames pass, 3 missed"),
        (
            Vote(5, 3),
            "PPPu-",
            P,
            "frame 1: ok scored 0.990; 3 of 5 frames pass, 1 review, 1 missed",
        ),
        (Vote(5, 3), "PPPPn", R, "frame 5: the model answered with no valid scores; 4 of 5 frames"),
        (Vote(3), "---", R, "missed: no frame"),
        (Vote(1), "P", P, "frame 1: ok scored 0.990"),
        (Vote(3, 2), "Pe-", R, "frame 2: engine: lost; 1 of 3 frames pass, 2 missed"),
    ],
)
def test_frames_of_a_part_vote_and_the_reason_counts_them(
    vote: Vote, frames: str, outcome: Outcome, reason: str
) -> None:
    verdict = voted(kinds(frames), vote)

    assert verdict.outcome is outcome
    assert verdict.reason.startswith(reason)


def test_a_part_without_any_frame_is_missed_and_one_with_some_is_not() -> None:
    assert voted(kinds("---"), Vote(3)).counts_as == "missed"
    assert voted([], Vote(3)).counts_as == "missed"
    assert voted(kinds("-P-"), Vote(3)).counts_as == "review"
    assert voted(kinds("ee"), Vote(2)).counts_as == "error"


def test_no_combination_of_frames_passes_without_as_many_as_are_needed() -> None:
    votes = [
        Vote(frames, need, tolerate)
        for frames in range(1, 5)
        for need in range(1, frames + 1)
        for tolerate in range(frames - need + 1)
    ]
    for vote in votes:
        for frames in product("PFRnu-e", repeat=vote.frames):
            text = "".join(frames)
            verdict = voted(kinds(text), vote)
            enough = text.count("P") >= vote.needed and text.count("F") <= vote.tolerate
            assert (verdict.outcome is P) is (enough and "n" not in text), (vote, text)
            assert (verdict.outcome is F) is (text.count("F") > vote.tolerate), (vote, text)


def test_a_frame_that_is_missing_never_helps_to_pass() -> None:
    for frames in product("PFRu-", repeat=4):
        for place in range(4):
            without = [*frames]
            without[place] = "-"
            for vote in (Vote(4, 2), Vote(4, 2, 1), Vote(4, 3)):
                if frames[place] == "F":
                    continue  # what would have shown the defect
                before, after = (
                    voted(kinds("".join(frames)), vote),
                    voted(kinds("".join(without)), vote),
                )
                assert after.outcome is not P or before.outcome is P


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"frames": 0}, "vote.frames: 0; expected 1 to 16 frames"),
        ({"frames": 17}, "vote.frames: 17; expected 1 to 16 frames"),
        ({"frames": 3, "need": 4}, "vote.need: 4; expected 1 to 3 of the frames"),
        ({"frames": 3, "need": 0}, "vote.need: 0; expected 1 to 3 of the frames"),
        (
            {"frames": 3, "need": 2, "tolerate": 2},
            "vote.tolerate: 2; expected 0 to 1 of the frames that are not needed",
        ),
        ({"consecutive": 0}, "vote.consecutive: 0; expected 1 to 1000 frames in a row"),
        ({"to_fail": 0}, "vote.to_fail: 0; expected 1 to 1000 frames in a row"),
        ({"frames": 3, "consecutive": 2}, "vote.frames: 3 beside consecutive, to_fail or to_pass;"),
    ],
)
def test_votes_that_can_never_be_had_are_refused(keys: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Vote(**keys)


def told(vote: Vote, frames: str) -> str:
    """Return what is told of each frame in turn: P, F or R."""
    steadied = Steadied(vote)
    return "".join(steadied(verdict).outcome.value[0].upper() for verdict in kinds(frames))


@pytest.mark.parametrize(
    ("vote", "frames", "expected"),
    [
        (Vote(consecutive=3), "PPPPP", "RRPPP"),
        (Vote(consecutive=3), "PPPFFFF", "RRPRRFF"),
        (Vote(consecutive=3), "PPPFPFPP", "RRPRPRPP"),
        (Vote(consecutive=3), "PPPRPRRRPPP", "RRPRPRRRRRP"),
        (Vote(consecutive=2, to_fail=1), "PPFPPFP", "RPFRPFR"),
        (Vote(consecutive=2, to_pass=3), "FFPPPP", "RFRRPP"),
        (Vote(consecutive=2), "PP-PP", "RPRRP"),
        (Vote(consecutive=2), "PPuPP", "RPRRP"),
        (Vote(consecutive=2), "PPnPP", "RPRRP"),
        (Vote(), "PFRP", "PFRP"),
    ],
    ids=[
        "begins undecided",
        "changes after three",
        "one that differs is told as review",
        "one in review does not end it, three do",
        "fails at once",
        "passes late",
        "a frame that is lost ends it",
        "a frame that is not fit ends it",
        "a model out of order ends it",
        "one in a row is as it is",
    ],
)
def test_the_outcome_changes_only_after_so_many_in_a_row(
    vote: Vote, frames: str, expected: str
) -> None:
    assert told(vote, frames) == expected


def test_while_it_is_undecided_the_reason_counts() -> None:
    steadied = Steadied(Vote(consecutive=3))

    reasons = [steadied(verdict).reason for verdict in kinds("FFF")]

    assert reasons == [
        "1 of 3 in a row fail: scratch scored 0.980",
        "2 of 3 in a row fail: scratch scored 0.980",
        "scratch scored 0.980",
    ]


def test_no_sequence_of_frames_turns_anything_but_a_pass_into_a_pass() -> None:
    for to_pass, to_fail in product((1, 2, 3), repeat=2):
        vote = Vote(to_pass=to_pass, to_fail=to_fail)
        for frames in product("PFRn-", repeat=6):
            text = "".join(frames)
            outcomes = told(vote, text)
            for frame, outcome in zip(text, outcomes, strict=True):
                assert outcome in ("R", frame)
            first = outcomes.find("P")
            assert first < 0 or text[: first + 1].endswith("P" * to_pass)


def seen(text: str) -> dict[str, Verdict]:
    return dict(zip(("left", "right", "top"), kinds(text), strict=False))


ALL = Parts(Cameras.TOGETHER)
ONE_BAD = Parts(Cameras.TOGETHER, most_bad=1)
ANY = Parts(Cameras.TOGETHER, must_pass=Places.ANY)


@pytest.mark.parametrize(
    ("parts", "cameras", "outcome", "reason"),
    [
        (ALL, "Pp", P, "right: ok scored 0.930; 2 of 2 cameras pass"),
        (ALL, "PF", F, "right: scratch scored 0.980; 1 of 2 cameras pass, 1 fail"),
        (ALL, "RP", R, "left: ok scored 0.600 < 0.9; 1 of 2 cameras pass, 1 review"),
        (ALL, "P-", R, "right: missed: no frame; 1 of 2 cameras pass, 1 missed"),
        (ALL, "F-", F, "left: scratch scored 0.980; 0 of 2 cameras pass, 1 fail, 1 missed"),
        (ONE_BAD, "PPF", P, "left: ok scored 0.990; 2 of 3 cameras pass, 1 fail"),
        (ONE_BAD, "PP-", R, "top: missed: no frame; 2 of 3 cameras pass, 1 missed"),
        (ANY, "FP", P, "right: ok scored 0.990; 1 of 2 cameras pass, 1 fail"),
        (ANY, "-P", R, "left: missed: no frame; 1 of 2 cameras pass, 1 missed"),
        (ANY, "FF", F, "left: scratch scored 0.980; 0 of 2 cameras pass, 2 fail"),
    ],
)
def test_cameras_that_look_at_one_part_make_one_verdict(
    parts: Parts, cameras: str, outcome: Outcome, reason: str
) -> None:
    verdict = together(seen(cameras), parts)

    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_no_combination_of_cameras_passes_where_one_has_not_judged() -> None:
    for parts in (ALL, ONE_BAD, Parts(Cameras.TOGETHER, most_bad=2), ANY):
        for cameras in product("PFRnu-e", repeat=3):
            verdict = together(seen("".join(cameras)), parts)
            if verdict.outcome is P:
                assert "P" in cameras
                assert not {"n", "u", "-", "e"} & set(cameras)
                assert parts is ANY or cameras.count("P") >= 3 - parts.most_bad


def at(verdict: Verdict, captured: float | None, decided: float) -> Verdict:
    frame = None if captured is None else FRAME
    return Verdict(
        verdict.outcome,
        verdict.reason,
        verdict.prediction,
        captured_at=captured,
        decided_at=decided,
        announced_at=1.0,
        frame=frame,
        cause=verdict.cause,
    )


def test_a_part_of_several_cameras_takes_as_long_as_the_slowest() -> None:
    left, right = at(KINDS["P"], 2.0, 2.1), at(KINDS["P"], 2.2, 2.5)

    verdict = together({"left": left, "right": right}, ALL)

    assert verdict.latency == pytest.approx(0.5)
    assert verdict.waited == pytest.approx(1.5)


def test_what_each_camera_decided_is_kept_by_its_name() -> None:
    left, right = at(KINDS["F"], 2.0, 2.1), at(KINDS["-"], None, 3.0)

    looks = together({"left": left, "right": right}, ALL).looks

    assert [(look.name, look.outcome, look.label) for look in looks] == [
        ("left", F, "scratch"),
        ("right", R, ""),
    ]
    assert looks[0].outline == ((0.0, 0.0), (6.0, 0.0), (6.0, 4.0), (0.0, 4.0))
    assert looks[1].table()["score"] is None


def test_a_part_that_no_camera_has_seen_is_missed() -> None:
    assert together(seen("--"), ALL).counts_as == "missed"
    assert together(seen("P-"), ALL).counts_as == "review"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"most_bad": 1},
            "parts: must_pass, most_bad or wait_ms with cameras = 'each', where each",
        ),
        ({"cameras": Cameras.TOGETHER, "most_bad": -1}, "parts.most_bad: -1; expected 0 or more"),
        (
            {"cameras": Cameras.TOGETHER, "most_bad": 1, "must_pass": Places.ANY},
            "parts.most_bad: 1 with must_pass = 'any', where one camera that passes is enough",
        ),
        (
            {"cameras": Cameras.TOGETHER, "wait_ms": float("nan")},
            "parts.wait_ms: nan; expected milliseconds above 0, at most a day",
        ),
    ],
)
def test_parts_that_mean_nothing_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Parts(**keys)  # type: ignore[arg-type]
