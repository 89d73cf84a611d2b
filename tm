#!/usr/bin/env python3
"""Trade Mantra's one script: makes the environment that it needs, then runs the named command.

    ./tm                what there is, and examples
    ./tm run            the main job
    ./tm test           every check of the project, then the tests
    ./tm lock           write requirements*.txt anew from pyproject.toml

Needs Python 3.11 or newer and nothing else.  On Windows: `python tm …`.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
STAMP = VENV / "installed.json"
LOCK = VENV / ".installing"
UNDER_WAY = VENV / ".under-way"
# A folder of data may hold a random.py or a trademantra/: modules come from the environment alone.
OWN_MODULES = ("-P",)
BOOTSTRAP = "requirements-uv.txt"
MAIN = "requirements.txt"
DEV = "requirements-dev.txt"


def fail(message: str) -> "NoReturn":  # noqa: F821  (typing is not imported: this script must start fast)
    print(f"tm: {message}", file=sys.stderr)
    raise SystemExit(2)


def main() -> int:
    if sys.version_info < (3, 11):
        fail(f"needs Python 3.11 or newer, this is {sys.version.split()[0]}; try: python3.12 tm")
    command, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if command == "test":
        install(MAIN, DEV)
        return test(rest)
    if command == "lock":
        install(MAIN)
        return lock()
    install(MAIN)
    return run_or_become([str(PYTHON), *OWN_MODULES, "-m", "trademantra", command, *rest])


def test(arguments: list[str]) -> int:
    """The gate: each check in turn, the tests last so that their summary closes the output."""
    checks = {
        "ruff (lint)": ["-m", "ruff", "check", "--quiet", "."],
        "ruff (format)": ["-m", "ruff", "format", "--check", "--quiet", "."],
        "mypy --strict": ["-m", "mypy"],
        "import layers": ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    }
    for name, words in checks.items():
        print(f"tm test: {name}", flush=True)
        code = subprocess.call([str(PYTHON), *words], cwd=ROOT)
        if code:
            fail(f"{name} failed (see above); the tests were not run")
    print("tm test: kernels", flush=True)  # else whichever test comes first waits a minute for a compiler
    subprocess.call([str(PYTHON), "-m", "trademantra.cli.compile_ahead"], cwd=ROOT)
    print("tm test: pytest", flush=True)
    return subprocess.call([str(PYTHON), "-m", "pytest", *arguments], cwd=ROOT)


def lock() -> int:
    """Compile the pinned, hashed requirement files.  They name no index and no machine."""
    shared = [
        "--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--no-annotate",
        "--no-emit-index-url", "--no-emit-find-links", "--quiet", "--upgrade", "pyproject.toml",
    ]  # fmt: skip
    for target, words in {
        MAIN: [],
        DEV: ["--group", "dev", "--constraints", MAIN],
        BOOTSTRAP: None,
    }.items():
        source = ROOT / "requirements-uv.in"
        arguments = (
            [*shared, *words]
            if words is not None
            else [*[word for word in shared if word != "pyproject.toml"], str(source)]
        )
        code = uv("pip", "compile", *arguments, "--output-file", target)
        if code:
            return code
        print(f"tm lock: wrote {target}")
    return 0


def install(*files: str) -> None:
    """Bring .venv up to `files`.  The stamp holds the hash of what is installed: equal means nothing to do."""
    if up_to_date(files):
        return
    if VENV.is_symlink():  # it belongs to another checkout, which must not be emptied from here
        fail(f"{VENV} is a link to an environment of another checkout; remove the link, and run this again")
    try:
        VENV.mkdir(exist_ok=True)
    except OSError as error:
        fail(f"cannot make {VENV}: {error.strerror}; the checkout must be writable, and .venv a folder")
    with only_one_installer():
        if up_to_date(files):  # another process did it while this one waited
            return
        if UNDER_WAY.exists():  # an earlier install was cut off: what it left cannot be trusted
            empty_environment()
        UNDER_WAY.touch()
        if not works():
            print("tm: making .venv", file=sys.stderr, flush=True)
            import venv

            venv.EnvBuilder(with_pip=True, clear=False, upgrade=False).create(VENV)
        installed = read_stamp()
        if installed.get(BOOTSTRAP) != digest(BOOTSTRAP):
            print("tm: installing uv", file=sys.stderr, flush=True)
            checked([str(PYTHON), *OWN_MODULES, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                     "--require-hashes", "-r", BOOTSTRAP], BOOTSTRAP)  # fmt: skip
        for name in files:
            if installed.get(name) != digest(name):
                print(f"tm: installing {name} (once; a minute or two)", file=sys.stderr, flush=True)
                checked([str(PYTHON), *OWN_MODULES, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode",
                         "--require-hashes", "--python", str(PYTHON), "-r", name], name)  # fmt: skip
        make_importable()
        done = {name: digest(name) for name in (BOOTSTRAP, *files)}
        write_stamp({**installed, **done, "root": str(ROOT)})
        UNDER_WAY.unlink()


def up_to_date(files: tuple[str, ...]) -> bool:
    installed = read_stamp()
    return (
        PYTHON.exists()
        and installed.get("root") == str(ROOT)
        and all(installed.get(name) == digest(name) for name in (BOOTSTRAP, *files))
    )


def empty_environment() -> None:
    """Remove all of .venv but the lock that is held."""
    import shutil

    for entry in VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK.name:
            entry.unlink()


def works() -> bool:
    """The interpreter of .venv starts and has pip (a moved project or an upgraded Python breaks both)."""
    if not PYTHON.exists() or read_stamp().get("root", str(ROOT)) != str(ROOT):
        STAMP.unlink(missing_ok=True)
        return False
    probe = subprocess.run([str(PYTHON), "-c", "import pip"], capture_output=True)
    if probe.returncode:
        STAMP.unlink(missing_ok=True)
    return probe.returncode == 0


def make_importable() -> None:
    """Put the project on the path of .venv, so that `import trademantra` works from every folder."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    folder = subprocess.run([str(PYTHON), "-c", ask], capture_output=True, text=True, check=True).stdout
    (Path(folder.strip()) / "trademantra.pth").write_text(f"{ROOT}\n", encoding="utf-8")


def read_stamp() -> dict[str, str]:
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_stamp(content: dict[str, str]) -> None:
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(fresh, STAMP)


def digest(name: str) -> str:
    """Hash of a requirement file and of the Python that it is installed for."""
    try:
        content = (ROOT / name).read_bytes()
    except OSError as error:
        fail(f"cannot read {name}: {error.strerror}; is the checkout complete?")
    version = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}".encode()
    return hashlib.sha256(version + content).hexdigest()


@contextlib.contextmanager
def only_one_installer():
    """Two `./tm` at once: the second waits for the first to finish installing."""
    with open(LOCK, "w", encoding="utf-8") as file:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield
            finally:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def checked(words: list[str], name: str) -> None:
    if subprocess.call(words, cwd=ROOT):
        fail(
            f"could not install {name} (see above). It needs the package index once; afterwards tm works offline."
        )


def uv(*words: str) -> int:
    return subprocess.call([str(PYTHON), *OWN_MODULES, "-m", "uv", *words], cwd=ROOT)


def run_or_become(words: list[str]) -> int:
    if WINDOWS:
        return subprocess.call(words)
    os.execv(words[0], words)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
