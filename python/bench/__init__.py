"""Measures attention: `python -m bench.attention --help`. Not part of the wheel; docs/bench.md says how to read it."""
