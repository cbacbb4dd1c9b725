"""How a test hands a document to the program that judges it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OPTIONS = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": False,
    "skipDefaultLibCheck": True,
    "target": "es2022",
    "module": "es2022",
    "moduleResolution": "bundler",
    "lib": ["es2022", "dom"],
    "types": [],
}


@dataclass(frozen=True, slots=True)
class AsyncApiParser:
    """npm's ``@asyncapi/parser``."""

    folder: Path

    def __call__(self, documents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
        """Return for each document what the parser says of it: ``diagnostics`` (severity 0 is an error), ``version``, ``messages``."""
        given = json.dumps([{"name": name, "document": document.decode()} for name, document in documents.items()])
        done = subprocess.run(["node", "asyncapi.mjs"], cwd=self.folder, input=given, capture_output=True, text=True, check=True)
        return {result["name"]: result for result in json.loads(done.stdout)}


@dataclass(frozen=True, slots=True)
class Compiler:
    """npm's ``typescript``, in its strict mode."""

    project: Path
    folder: Path

    def __call__(self, **files: str | bytes) -> list[str]:
        """Return the compiler's complaints about a program of these files; ``types`` is the declarations, the others import them."""
        for name, text in files.items():
            path = self.folder / (f"{name}.d.ts" if name == "types" else f"{name}.ts")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        (self.folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS}))
        command = ["node", str(self.project / "node_modules/typescript/bin/tsc"), "--project", ".", "--pretty", "false"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        complaints: list[str] = []
        for line in done.stdout.splitlines():
            if line.startswith(" ") and complaints:
                complaints[-1] += line  # which explains the one above
            else:
                complaints.append(line)
        if done.returncode and not complaints:
            raise AssertionError(done.stderr)
        return complaints
