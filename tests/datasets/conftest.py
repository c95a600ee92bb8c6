"""The makers of fabricated trees, for every test of the adapters."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def trees() -> ModuleType:
    path = Path(__file__).with_name("trees.py")
    spec = importlib.util.spec_from_file_location("leukodiff_test_trees", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
