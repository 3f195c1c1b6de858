"""Scores that belong to each other's labels: a classic fault that is none of the pixels."""

import numpy as np
from numpy.typing import NDArray

from edgecls import metrics
from edgecls_exporters.diagnosis import LEFT, Explanation
from edgecls_exporters.ledger import Answers

NAME = "labels in another order"
SHOWN = 5


def reordered(a: Answers, b: Answers, labels: tuple[str, ...]) -> Explanation | None:
    """Say so when B gives A's scores under other labels.

    Args:
        a: One side's answers.
        b: The other side's on the same images.
        labels: In the order that both are said to have.

    Returns:
        None where B's scores are no other order of A's.

    """
    order = _matched(a.scores, b.scores)
    moved = [i for i in range(len(labels)) if order[i] != i]
    before = float(np.abs(a.scores - b.scores).max(axis=1).mean())
    after = float(np.abs(a.scores - b.scores[:, order]).max(axis=1).mean())
    if not moved or after > LEFT * before:
        return None
    agreement = metrics.share((a.present == b.present).all(axis=1))
    agreement_after = metrics.share((a.present == b.present[:, order]).all(axis=1))
    if agreement_after <= agreement:
        return None
    said = ", ".join(f"{labels[order[i]]!r} for {labels[i]!r}" for i in moved[:SHOWN])
    more = f" and {len(moved) - SHOWN} more" if len(moved) > SHOWN else ""
    message = (
        f"B has its labels in another order: it says {said}{more}; put right, it answers like A on "
        f"{100 * agreement_after:.2f} % of the images (now {100 * agreement:.2f} %); "
        f"give --labels in the order of the logits"
    )
    return Explanation((NAME,), message, agreement_after, agreement, after, before)


def _matched(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return for each column of ``a`` the column of ``b`` that is most like it, each once."""
    n = a.shape[1]
    apart = np.stack([np.abs(b - a[:, i : i + 1]).mean(axis=0) for i in range(n)])
    # Labels that no image shows are alike everywhere: those stay where they are.
    apart[range(n), range(n)] -= 1e-6
    order = np.full(n, -1, np.intp)
    taken = np.zeros(n, np.bool_)
    for flat in np.argsort(apart, axis=None, kind="stable"):
        i, j = divmod(int(flat), n)
        if order[i] < 0 and not taken[j]:
            order[i], taken[j] = j, True
        if taken.all():
            break
    return order
