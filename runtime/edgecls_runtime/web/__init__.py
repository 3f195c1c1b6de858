"""The operator's web page of a station: live view, counters, gallery, journal, recipe.

It runs in threads of its own beside the station, reads the journal read-only and never has the
station wait. ``opening.open_web`` starts it; ``docs/web.md`` says what can be reached and by whom.
"""
