"""The peers, imported once a file: vectorbt takes seconds."""

import importlib
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def vectorbt() -> ModuleType:
    return importlib.import_module("vectorbt")


@pytest.fixture(scope="module")
def backtesting() -> ModuleType:
    return importlib.import_module("backtesting")
