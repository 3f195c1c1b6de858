"""Is this frame fit to be judged? Figures of each frame, limits for them, and what they mean.

``measures`` and ``view`` take the figures, ``limits`` says how far each may go, ``learning`` finds
the limits from good frames, ``kept`` keeps them in files, ``watch`` follows one camera.
"""
