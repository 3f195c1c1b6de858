"""A verdict as a result of OPC 40100-1."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua

from edgecls.verdict import Cause, Verdict
from edgecls_runtime.opcua.companion import ResultState


def result_of(verdict: Verdict, result_id: str, job: str) -> Any:  # noqa: ANN401 - made at run time
    """Return a ResultDataType.

    Args:
        verdict: Judged, or why not.
        result_id: Unique on this server.
        job: What belongs together: the journal, or this run.

    """
    ended = _ended(verdict)
    return ua.ResultDataType(
        ResultId=ua.ResultIdDataType(result_id),
        IsPartial=False,
        IsSimulated=False,
        ResultState=state_of(verdict),
        MeasId=ua.MeasIdDataType(Id=_measured(verdict)),
        PartId=ua.PartIdDataType(Id=verdict.part),
        InternalRecipeId=ua.RecipeIdInternalDataType(Id=verdict.recipe),
        InternalConfigurationId=ua.ConfigurationIdDataType(Id=verdict.bundle),
        JobId=ua.JobIdDataType(job),
        CreationTime=ended,
        ProcessingTimes=_times(verdict, ended),
        ResultContent=content_of(verdict),
    )


def state_of(verdict: Verdict) -> ResultState:
    """Return how far it came: a REVIEW that a rule decided is complete, too."""
    return ResultState.COMPLETED if verdict.cause is Cause.JUDGED else ResultState.FAILED


def content_of(verdict: Verdict) -> list[Any]:
    """Return what the specification leaves to the application (``docs/opcua.md``).

    Returns:
        What it counts as, outcome, cause, reason, label, score (NaN without one), and the whole
        verdict as JSON.

    """
    prediction = verdict.prediction
    texts = (verdict.counts_as, verdict.outcome.value, verdict.cause.value, verdict.reason)
    label = "" if prediction is None else prediction.label
    score = math.nan if prediction is None else prediction.score
    return [
        *(_text(text) for text in (*texts, label)),
        ua.Variant(score, ua.VariantType.Double),
        _text(json.dumps(verdict.table())),
    ]


def _text(text: str) -> Any:  # noqa: ANN401 - as above
    return ua.Variant(text, ua.VariantType.String)


def _measured(verdict: Verdict) -> str:
    """Name the frame: camera and number; empty where there was none."""
    if verdict.frame_number is None:
        return ""
    return f"{verdict.camera} {verdict.frame_number}".strip()


def _ended(verdict: Verdict) -> datetime:
    if verdict.recorded_at:
        return datetime.fromisoformat(verdict.recorded_at)
    return datetime.now(UTC)


def _times(verdict: Verdict, ended: datetime) -> Any:  # noqa: ANN401 - as above
    """From the frame's arrival to the verdict; None where there was no frame."""
    if verdict.latency is None:
        return None
    began = ended - timedelta(seconds=verdict.latency)
    duration = 1000 * verdict.latency
    return ua.ProcessingTimesDataType(StartTime=began, EndTime=ended, ProcessingDuration=duration)
