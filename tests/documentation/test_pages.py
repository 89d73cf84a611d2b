"""Every Python example of README and docs/ runs, on sample data, in the order in which it is read."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"# (\w+\.py)\n")
# Its example starts worker processes, which read the main file again: it needs a process of its own.
OWN_PROCESS = {"optimise.md"}


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


WITH_EXAMPLES = [page for page in PAGES if blocks(page)]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_its_examples_run(page: Path, desk: Path) -> None:
    """A block that begins with a file name is that file; the others go on where the one before ended."""
    script = []
    for block in blocks(page):
        named = FILE_NAME.match(block)
        if named:
            (desk / named[1]).write_text(block, encoding="utf-8")
        else:
            script.append(block)
    path = desk / "examples_of_the_page.py"
    path.write_text("\n".join(script), encoding="utf-8")
    if page.name in OWN_PROCESS:
        subprocess.run([sys.executable, str(path)], cwd=desk, check=True, timeout=120)
    else:
        runpy.run_path(str(path), run_name="__main__")


def test_pages_with_examples_are_found() -> None:
    names = {page.name for page in WITH_EXAMPLES}
    assert {"python.md", "strategies.md", "charges.md", "reports.md", "bars.md", "symbols.md"} <= names
