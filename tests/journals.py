"""What tests write into journals."""

import numpy as np

from edgecls import Look, Outcome, Prediction, Verdict
from edgecls_runtime.journal import SessionLine

SESSION = SessionLine("disc 1", "abc", "int8", "CPUExecutionProvider", "{}", "{}", "100 %")
OUTLINE = ((1.0, 2.0), (11.0, 2.0), (11.46, 22.0), (1.0, 22.0))
LOOKS = (
    Look("lid", OUTLINE, Outcome.PASS, "ok", 0.9),
    Look("tile 3,1", OUTLINE, Outcome.REVIEW, "dent", float("nan")),
)
PREDICTION = Prediction(np.array([0.9, 0.1], np.float32), ("ok", "dent"))


def verdict(part: str) -> Verdict:
    return Verdict(Outcome.PASS, "ok scored 0.900", PREDICTION, part, 3, 10.0, 10.0125)
