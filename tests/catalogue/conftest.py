"""The programs that read the catalogue's documents: AsyncAPI's own parser, and the TypeScript compiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalogue.readers import AsyncApiParser, Compiler
from tests.node import node_project


@pytest.fixture(scope="session")
def node_folder(pytestconfig: pytest.Config) -> Path:
    """Return a folder with the scripts under ``node`` and the packages that they need."""
    return node_project(pytestconfig, Path(__file__).parent / "node")


@pytest.fixture(scope="session")
def parse_asyncapi(node_folder: Path) -> AsyncApiParser:
    """Return the official parser."""
    return AsyncApiParser(node_folder)


@pytest.fixture
def tsc(node_folder: Path, tmp_path: Path) -> Compiler:
    """Return the TypeScript compiler, with a folder of its own for this test."""
    return Compiler(node_folder, tmp_path)
