"""From scores to pass, fail or review: pure functions, no clock, no I/O.

Nothing outside of this package makes a PASS, and inside of it ``rule`` alone does: ``votes``,
``streak`` and ``cameras`` put verdicts together, and only such that already are a PASS become one.
"""

from edgecls_runtime.decision.rule import Rule
from edgecls_runtime.decision.several import Places

__all__ = ["Places", "Rule"]
