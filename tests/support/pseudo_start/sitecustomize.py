"""On the PYTHONPATH of a demo server, it makes every process of it speak the pseudo-locale."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import pytest

from tests.support.pseudo import install

install(pytest.MonkeyPatch())
