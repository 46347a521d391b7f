"""What the tests of this folder share."""

import os

import pytest


@pytest.fixture(scope="session")
def library():
    """The library and the fatbin that the environment names."""
    from library import Library

    assert "SAGEATTN_FATBIN" in os.environ
    return Library()
