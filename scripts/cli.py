"""The one command, ``saberlm VERB ...``: finds the verb, runs it, says errors in one line.

A verb is a module of this folder with ``add_arguments(parser)`` and ``run(args) -> int``. It is
imported only when it is called for, and keeps its heavy imports inside ``run``, so that every
``--help`` is instant. A verb that says ``TAKES_OVERRIDES = True`` gets the options it did not
declare as the list ``args.overrides``; elsewhere they are wrong usage.
Exit codes: 0 done, 1 the data or the machine is at fault, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from saberlm.prompts.errors import HeaderError

VERBS = {
    "map": "make a playable level from a song",
    "batch": "make levels of many songs, going on where it was stopped",
    "lights": "make a light show for a human's map",
    "spread": "add the difficulties that a human's level lacks",
    "app": "make and look at levels in the browser",
    "preview": "write a page that plays a level in 3D",
    "tempo": "find a song's tempo and beats",
    "check": "say whether a level is valid, what is in it and how it plays",
    "evaluate": "map held-out songs and judge the maps beside human ones",
    "compare": "say what moved between two evaluations beyond the noise",
    "convert": "turn a level into another version of the format",
    "tokens": "print a level's token stream",
    "data": "fetch maps, turn them into a dataset, find pairs of better and worse",
    "train": "train a model on such a dataset",
}
EXTRA_OF_PACKAGE = {
    "accelerate": "train",
    "bitsandbytes": "train",
    "datasets": "train",
    "httpx2": "train",
    "peft": "train",
    "trl": "train",
    "audiotools": "dac",
    "dac": "dac",
    "flash_attn": "gpu",
    "fastapi": "app",
    "gradio": "app",
    "starlette": "app",
    "uvicorn": "app",
    "librosa": "report",
    "matplotlib": "report",
    "mir_eval": "test",
}

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit code (wrong usage leaves through ``SystemExit(2)``)."""
    words = list(sys.argv[1:] if argv is None else argv)
    top = _top_parser()
    if not set(words) - {"-v", "--verbose"}:
        top.print_help(sys.stderr)
        top.exit(2)
    args = top.parse_args(words)
    verb: str = args.verb
    if verb not in VERBS:
        top.error(_no_verb(verb))
    try:
        module = importlib.import_module(f"saberlm.scripts.{verb}")
        parser = _Parser(prog=f"saberlm {verb}", description=module.__doc__)
        _add_verbose(parser)
        module.add_arguments(parser)
        if getattr(module, "TAKES_OVERRIDES", False):
            verb_args, overrides = parser.parse_known_args(args.rest)
            verb_args.overrides = overrides
        else:
            verb_args = parser.parse_args(args.rest)
        with _logging_to_stderr(args.verbose or getattr(verb_args, "verbose", False)):
            try:
                code = int(module.run(verb_args) or 0)
                sys.stdout.flush()  # here, so that a closed pipe is met below and not at exit
                return code
            except Exception:
                logger.debug("saberlm %s failed here:", verb, exc_info=True)
                raise
    except KeyboardInterrupt:
        return _fail(verb, "interrupted", 130)
    except BrokenPipeError:  # the reader (head, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = EXTRA_OF_PACKAGE.get(package)
        if extra is None:
            raise
        return _fail(
            verb,
            f"expected the package {package}, found it is not installed; "
            f'it comes with an extra: pip install "saberlm[{extra}]"',
        )
    except HeaderError as error:  # its second and third line point at the place
        print(f"saberlm {verb}: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None or error.strerror is None:
            return _fail(verb, str(error) or type(error).__name__)
        return _fail(verb, f"{error.filename}: {error.strerror}")
    except ValueError as error:
        return _fail(verb, str(error) or type(error).__name__)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a line and where help is: the whole usage, of which the verbs that map
    have forty lines, would bury it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n{self.prog} --help tells what it takes\n")


def _no_verb(word: str) -> str:
    """What to say to a first word that is no verb."""
    listed = f"expected a verb ({', '.join(VERBS)}), found {word!r}"
    if Path(word).exists():
        return f"{listed}: a song's verb is map: saberlm map {word}"
    near = difflib.get_close_matches(word, VERBS, 1)
    return f"{listed}: {near[0]}?" if near else listed


def _top_parser() -> _Parser:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {summary}" for verb, summary in VERBS.items()]
    parser = _Parser(
        prog="saberlm",
        usage="saberlm [-h] [--version] [-v] VERB ...",
        description="An automatic Beat Saber mapper: from a song to a playable level with lights.",
        epilog="\n".join(["verbs:", *lines, "", "saberlm VERB --help tells more of a verb."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"saberlm {_version()}")
    _add_verbose(parser)
    parser.add_argument("verb", metavar="VERB", help="one of the verbs below")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _add_verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="log to stderr what is done and where it fails"
    )


def _version() -> str:
    try:
        return version("saberlm")
    except PackageNotFoundError:
        return "(not installed)"


@contextlib.contextmanager
def _logging_to_stderr(verbose: bool) -> Iterator[None]:
    """Warnings go to stderr, and with ``verbose`` everything of ours and the libraries' news."""
    root, ours = logging.getLogger(), logging.getLogger("saberlm")
    levels = root.level, ours.level
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    ours.setLevel(logging.DEBUG if verbose else logging.NOTSET)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def _fail(verb: str, message: str, code: int = 1) -> int:
    print(f"saberlm {verb}: error: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
