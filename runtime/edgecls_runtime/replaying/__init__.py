"""Kept images judged again: what another bundle or another rule would have changed.

then (journal, evidence) --again (bundle, rule)--> changes (figures)
"""
