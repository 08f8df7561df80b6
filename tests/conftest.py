"""Hypothesis draws the same examples at every run, so that a failure is one for everybody."""

from hypothesis import settings

settings.register_profile("quadlib", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("quadlib")
