"""Readers and measures that the tests share; each has tests of its own in installed/test_support_*.py."""
