"""How often each variant is right: as the bundle recorded, or measured on this device."""

from dataclasses import dataclass, field

from edgecls.bundle import Bundle
from edgecls.manifest import Precision
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.evaluation import Evaluation, evaluate
from edgecls_runtime.images import Labelled
from edgecls_runtime.measuring import candidates, choosing
from edgecls_runtime.measuring.trial_messages import Configuration


@dataclass
class Accuracies:
    """Accuracy of each variant on each provider.

    Attributes:
        bundle: Holds what the export recorded.
        max_drop: Points that a variant may lie below fp32.
        data: Labelled images to measure with; None measures nothing.

    """

    bundle: Bundle
    max_drop: float
    data: list[Labelled] | None
    _found: dict[tuple[str, str], Evaluation] = field(default_factory=dict)

    def of(self, engine: Configuration) -> float | None:
        """Return the accuracy, 0..1, measured here if it was, else as recorded."""
        found = self._found.get((engine.variant, str(engine.provider["kind"])))
        return self.bundle.variant(engine.variant).accuracy if found is None else found.top1

    def recorded_fault(self, engine: Configuration) -> str:
        """Return why the bundle's own record speaks against a variant; empty if it does not."""
        variant = self.bundle.variant(engine.variant)
        return choosing.below_fp32(self.bundle, variant, self.max_drop, None, None)

    def measured_fault(self, engine: Configuration) -> str:
        """Measure a variant on its provider here; return what speaks against it, or nothing.

        Raises:
            EdgeclsError: It cannot be loaded, or none of the files is an image.

        """
        if self.data is None:
            return ""
        variant = self.bundle.variant(engine.variant)
        here = self._evaluated(engine.variant, str(engine.provider["kind"]))
        plain = [v.name for v in self.bundle.variants if v.precision is Precision.FP32]
        fp32 = self._evaluated(plain[0], "cpu").top1 if plain else None
        return choosing.below_record(variant, here) or choosing.below_fp32(
            self.bundle, variant, self.max_drop, here.top1, fp32
        )

    def _evaluated(self, variant: str, kind: str) -> Evaluation:
        if (variant, kind) not in self._found:
            provider = candidates.open_provider({"kind": kind})
            classifier = Classifier(self.bundle, provider, variant)
            self._found[variant, kind] = evaluate(classifier, self.data or [])
            classifier.close()
        return self._found[variant, kind]
