"""Runs the page's own modules in node, without a browser."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
PAGE = Path(str(files("saberlm.infer") / "page"))
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on the PATH")


def in_node(script: str, given: object = None) -> Any:
    """What ``script`` returns: the body of an async function of ``given``, in which ``load(NAME)``
    imports a module of the page."""
    assert NODE is not None
    code = f"""
        import {{ readFileSync }} from 'node:fs';
        import {{ pathToFileURL }} from 'node:url';
        const load = (name) => import(pathToFileURL({json.dumps(str(PAGE))} + `/${{name}}.js`));
        const given = JSON.parse(readFileSync(0, 'utf8'));
        const found = await (async () => {{ {script} }})();
        process.stdout.write(JSON.stringify(found));
    """
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", code],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
