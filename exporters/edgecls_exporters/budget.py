"""What a variant may lose, and whether it does."""

import math
from dataclasses import dataclass

from edgecls_exporters.ledger import Row


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on what a variant may lose against the original.

    Attributes:
        points: Of top-1, 0..100. Without labels: per cent of answers that may change.
        label_points: Of any one label's recall, 0..100; None for no limit.
        escapes: Defective parts that the original stops and a variant may pass; None for no limit.
        by_truth: Whether labels tell what is right; a folder tells one of several (multilabel).

    """

    points: float
    label_points: float | None = None
    escapes: int | None = None
    by_truth: bool = True

    def fault(self, row: Row, original: Row) -> str:
        """Return why a row breaks the budget, or an empty text."""
        if not math.isfinite(row.largest_difference):
            return "answers with scores that are not numbers"
        if row.drop is not None and self.by_truth:
            drop, what = row.drop, "points of top-1 lost"
        else:
            # Without truth every changed answer may be a lost one.
            drop, what = 100 * (1 - row.agreement), "% of answers changed"
        # The table shows two decimals; what it shows as equal to the budget keeps to it.
        if round(drop, 2) > self.points:
            budget = f"the budget is {self.points:g} (--max-drop)"
            return f"{drop:.2f} {what} on {row.images} images; {budget}"
        return self._label_fault(row, original) or self._escape_fault(row)

    def tight(self, row: Row) -> bool:
        """Return whether so few answers changed that the drop cannot break the budget anywhere."""
        return round(100 * (1 - row.agreement), 2) <= self.points

    def _label_fault(self, row: Row, original: Row) -> str:
        if self.label_points is None:
            return ""
        lost = {name: 100 * (original.recall[name] - share) for name, share in row.recall.items()}
        if not lost:
            return ""
        worst = max(lost, key=lambda name: lost[name])
        if round(lost[worst], 2) <= self.label_points:
            return ""
        return (
            f"{lost[worst]:.2f} points of {worst}'s recall lost; "
            f"the budget is {self.label_points:g} (--max-label-drop)"
        )

    def _escape_fault(self, row: Row) -> str:
        if self.escapes is None or row.escapes is None or row.escapes <= self.escapes:
            return ""
        return (
            f"{row.escapes} defective parts pass that the original stops; "
            f"the budget is {self.escapes} (--max-escapes)"
        )

    @property
    def images_needed(self) -> int:
        """Images on which one changed answer stays within the budget."""
        return math.ceil(100 / self.points) if self.points > 0 else 1
