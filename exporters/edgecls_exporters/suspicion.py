"""Ask labelled images whether a foreign file's preprocessing was guessed wrongly.

A file that somebody else exported rarely says how its images were prepared; the user's flags are a
guess. If one of the classic faults, undone, makes it right more often than chance allows, the guess
is probably wrong, and the user is told which.
"""

import numpy as np

from edgecls.prediction import Task
from edgecls.progress import step
from edgecls_exporters import diagnosis, proof
from edgecls_exporters.foreign import Foreign
from edgecls_exporters.inputs import Inputs, Job
from edgecls_exporters.views import declared_view


def suspicions(job: Job, inputs: Inputs) -> tuple[str, ...]:
    """Return a message for each change that makes a foreign model more accurate, the best first.

    Asked are the images that are not measured. Empty for sources that know their preprocessing,
    without labels, and for multilabel, where a folder does not tell what is right.
    """
    images = [*inputs.images.calibrate, *inputs.images.choose]
    named = [item.label for item in images if item.label is not None]
    guessed = isinstance(inputs.original.model, Foreign) and job.overrides
    if not guessed or job.task is Task.MULTILABEL or not named or len(named) < len(images):
        return ()
    step(f"{job.source}: asking whether its preprocessing was guessed rightly")
    view = declared_view(inputs.original.preprocessing)
    subject = diagnosis.Subject(job.source, view, proof.on_tensors(inputs.original, job.task))
    truth = np.array([inputs.labels.index(label) for label in named], np.intp)
    return tuple(found.message for found in diagnosis.suspect(subject, images, truth, job.task))
