"""The command: instant help, and one line for every error that is the user's."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from saberlm.scripts import cli


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch):
    """Puts a verb in place of ``map``: ``verb(run)``."""

    def install(run):
        module = types.ModuleType("saberlm.scripts.map", "a verb for the test")
        module.add_arguments = lambda parser: parser.add_argument("--number", type=int, default=0)
        module.run = run
        monkeypatch.setitem(sys.modules, "saberlm.scripts.map", module)

    return install


def fails_with(error: BaseException):
    def run(_args):
        raise error

    return run


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in cli.VERBS)])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom saberlm.scripts.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'transformers', 'librosa', 'numpy', 'trl'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: saberlm" in done.stdout


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(summary in shown for summary in cli.VERBS.values())


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("saberlm ")


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["map", "--no-such-option"], ["map", "--number", "x"]]
)
def test_wrong_usage_exits_with_2(arguments, verb, capsys):
    verb(lambda args: 0)
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert "saberlm" in shown.err
    assert "--help" in shown.err
    assert shown.out == ""


def test_wrong_usage_is_not_buried_under_the_usage(verb, capsys):
    verb(lambda args: 0)
    with pytest.raises(SystemExit):
        cli.main(["map", "--number", "x"])
    first, second = capsys.readouterr().err.splitlines()
    assert first == "saberlm map: error: argument --number: invalid int value: 'x'"
    assert "saberlm map --help" in second


@pytest.mark.parametrize("arguments", [[], ["-v"]])
def test_no_word_at_all_gets_the_help(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert all(summary in shown for summary in cli.VERBS.values())


def test_a_word_that_is_no_verb_gets_the_likely_one(tmp_path, capsys):
    song = tmp_path / "song.mp3"
    song.write_bytes(b"sound")
    for word, hint in (("chek", "found 'chek': check?"), (str(song), f"saberlm map {song}")):
        with pytest.raises(SystemExit) as stop:
            cli.main([word])
        assert stop.value.code == 2
        assert hint in capsys.readouterr().err


def test_arguments_and_exit_code_pass_through(verb):
    verb(lambda args: args.number)
    assert cli.main(["map", "--number", "7"]) == 7
    assert cli.main(["-v", "map", "--number", "3"]) == 3
    assert cli.main(["map"]) == 0


def test_a_verb_may_take_overrides(verb):
    seen = []
    verb(lambda args: seen.extend(args.overrides))
    sys.modules["saberlm.scripts.map"].TAKES_OVERRIDES = True
    assert cli.main(["map", "--minutes", "5", "--number", "7", "--rate", "1e-3"]) == 0
    assert seen == ["--minutes", "5", "--rate", "1e-3"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("expected a song,\n  found soup"), 1, "expected a song, found soup"),
        (FileNotFoundError(2, "No such file", "x.ogg"), 1, "x.ogg: No such file"),
        (OSError("the disk is gone"), 1, "the disk is gone"),
        (ValueError(), 1, "ValueError"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ModuleNotFoundError("No module named 'trl.x'", name="trl.x"),
            1,
            "expected the package trl, found it is not installed; it comes with an extra: "
            'pip install "saberlm[train]"',
        ),
    ],
)
def test_an_error_is_one_line(error, code, line, verb, capsys):
    verb(fails_with(error))
    assert cli.main(["map"]) == code
    shown = capsys.readouterr()
    assert shown.err == f"saberlm map: error: {line}\n"
    assert shown.out == ""


def test_our_own_bugs_keep_their_traceback(verb):
    verb(fails_with(TypeError("a bug")))
    with pytest.raises(TypeError, match="a bug"):
        cli.main(["map"])
    verb(fails_with(ModuleNotFoundError("No module named 'soup'", name="soup")))
    with pytest.raises(ModuleNotFoundError, match="soup"):
        cli.main(["map"])


def test_verbose_shows_where_it_failed(verb, capsys):
    verb(fails_with(ValueError("expected this, found that")))
    assert cli.main(["map", "-v"]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("saberlm map: error: expected this, found that\n")


def test_a_closed_pipe_is_no_traceback():
    code = (
        "import sys, types\nfrom saberlm.scripts import cli\n"
        "verb = types.ModuleType('saberlm.scripts.map', '')\n"
        "verb.add_arguments = lambda parser: None\n"
        "verb.run = lambda args: print('line\\n' * 100000)\n"
        "sys.modules['saberlm.scripts.map'] = verb\nsys.exit(cli.main(['map']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
