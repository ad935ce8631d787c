"""What the page of `saberlm app` says, as HTML in which every word from outside is text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from saberlm.eval.verdict import verdict
from saberlm.infer.kernels import kept_on_disk
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.level_work import LevelWork
from saberlm.infer.studio import HeardFile, Job, MadeLevel
from saberlm.infer.tempo_report import LOW_CONFIDENCE
from saberlm.prompts.descriptors import unknown_words
from saberlm.scripts.app_plots import density_plot

HEADING = (
    "<h1>saberlm</h1><p>Drop in a song, get a Beat Saber level: notes, walls, bombs and lights."
    " Everything happens on this machine.</p>"
)
_TO_PREVIEW = "document.getElementById('preview').scrollIntoView({behavior:'smooth'})"
TO_ANSWER = """() => {
    const start = Date.now();
    const timer = setInterval(() => {
        const said = document.querySelector('#progress .sl-note');
        said?.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
        if (said || Date.now() - start > 30000) clearInterval(timer);
    }, 300);
}"""
"""Brings what is said of a button's work into sight: on a narrow page it lies below."""
_DONE = {
    "range": "{0} made anew",
    "continue": "continued",
    "lights": "new lights",
    "spread": "difficulties added",
}
PLACEHOLDER = (
    '<div class="sl-note">Your levels will appear here, each with a preview. Download what you'
    " want to keep: they are gone when the app ends.</div>"
)
TERMS = (
    "<p><b>To play a level:</b> on a PC with the mod SongCore put the zip as it is into the game's"
    " folder <code>Beat Saber_Data/CustomWIPLevels</code> (practice mode), or unpack it into a"
    " folder of its own in <code>CustomLevels</code>; on a Quest give it to the mod manager.</p>"
    "<p><b>Before you upload a level to BeatSaver:</b> say in the upload form that a program made"
    " it (“AI / automapper”); the level says so itself. BeatSaver removes levels that hide it,"
    " and warns, then closes the account. Declared ones may be taken down after 90 days. The song"
    " belongs to its makers: upload only what you may. Play the level yourself first.</p>"
)


def notice(text: str, kind: str = "") -> str:
    """A box with a message; ``kind`` is ``bad``, ``warn`` or nothing."""
    style = f"sl-note sl-{kind}" if kind else "sl-note"
    return f'<div class="{style}" role="status">{escape(text)}</div>'


def heard_words(one: HeardFile) -> str:
    """What was found of a song."""
    name = f"<b>{escape(one.path.name)}</b>"
    if one.tempo is None:
        return name + notice(one.problem, "bad")
    tempo = one.tempo
    said = f"{_clock(one.seconds)}, {tempo.bpm:.6g} BPM"
    if tempo.events:
        said += f" at first, {len(tempo.events)} changes of tempo"
    said += f" ({tempo.confidence:.0%} sure)"
    words = f"{name}<br><span>{escape(said)}</span>"
    if tempo.confidence < LOW_CONFIDENCE:
        others = "; ".join(
            f"{other.bpm:.6g} BPM from {other.offset_seconds:.3f} s" for other in tempo.alternatives
        )
        words += notice(
            "The beat is likely wrong: look it up and write it below"
            + (f". It could also be {others}." if others else "."),
            "warn",
        )
    return words


def progress_words(job: Job) -> str:
    """How far a job is, and what went wrong with its songs."""
    count, total = len(job.levels), len(job.requests)
    problems = "".join(notice(problem, "bad") for problem in job.problems)
    if job.finished:
        of_all = f"{count} of {total} level{'s' if total != 1 else ''} made"
        if job.stopped:
            return notice(f"Stopped; {of_all}.", "warn") + problems
        return (notice(f"Done: {of_all}.", "good") if count else "") + problems
    share = job.bars / job.num_bars if job.num_bars else 0.0
    song = f"Song {job.song + 1} of {total}: " if total > 1 else ""
    words = f"{song}{job.stage}"
    if job.stage == "mapping" and not job.bars and not kept_on_disk():
        words += " (compiling for this processor, once: half a minute or so)"
    if job.num_bars and job.stage == "mapping":
        words += f", {share:.0%}"
        left = job.seconds_left
        if left is not None:
            words += f", {_clock(left)} left"
    bar = f'<div class="sl-bar"><i style="width:{100 * share:.1f}%"></i></div>'
    return f"{bar}{notice(words)}{problems}"


def level_cards(levels: Sequence[MadeLevel]) -> str:
    """The finished levels, each with the judge's verdict and its links."""
    cards = "".join(_card(one) for one in levels)
    if len(levels) > 1:
        keys = ",".join(one.key for one in levels)
        cards = f'<p><a class="sl-all" href="levels/{keys}" download>All as one zip</a></p>{cards}'
    return cards


def frame(level: MadeLevel, *, together: bool = False, name: str = "sl-preview") -> str:
    """The preview of a level; the cards' links show others in the one of the usual name.

    ``together``: previews on one page start, stop and jump as one.
    """
    return (
        f'<iframe class="sl-frame" name="{name}" title="preview" src="preview/{level.key}'
        f'{"#together" if together else ""}" sandbox="allow-scripts" allow="autoplay; fullscreen">'
        "</iframe>"
    )


def pair_of_frames(left: MadeLevel, right: MadeLevel) -> str:
    """Two levels side by side, the older one to the left."""
    sides = [
        f"<div><h4>{escape(f'{when}: {_asked(one)}')}</h4>"
        f"{frame(one, together=True, name=name)}</div>"
        for when, one, name in (
            ("Before", left, "sl-preview-before"), ("Now", right, "sl-preview"),
        )
    ]  # fmt: skip
    return f'<div class="sl-pair">{"".join(sides)}</div>'


def _card(level: MadeLevel) -> str:
    report = level.report
    rows = []
    for one in report.difficulties:
        counts = one.counts
        name = "Expert+" if one.name == "ExpertPlus" else one.name
        numbers = (
            f"{counts.notes} notes, {counts.nps:.1f} a second, {one.judgement.lights.events} light"
            " events."
        )
        words = escape(f"{numbers} {verdict(one.judgement)}")
        plot = density_plot(one)
        rows.append(f'<div class="sl-diff"><span><b>{escape(name)}</b>: {words}</span>{plot}</div>')
    warned = ""
    if not report.valid:
        first = report.errors[0].message
        warned += notice(f"Not valid, do not upload it: {first}", "bad")
    warned += "".join(notice(f"{one}.", "warn") for one in level.warnings)
    hint = unknown_words(_request(level).style)
    warned += notice(f"{hint}.", "warn") if hint else ""
    if level.tempo is not None and level.tempo.confidence < LOW_CONFIDENCE:
        warned += notice(
            f"The beat is likely off ({level.tempo.confidence:.0%} sure): write the right BPM and"
            " first beat, and make it again.",
            "warn",
        )
    if any(one.counts.notes == 0 for one in report.difficulties):
        warned += notice("A difficulty has no notes.", "warn")
    key = (
        '<p class="sl-key">Notes a second over the song; ▼ faults; below, bar by bar, what the'
        " critic takes it for: green a human's, red a machine's.</p>"
    )
    return (
        f'<div class="sl-level"><h3>{escape(level.title)}</h3>'
        f"<p>{escape(_asked(level))}</p>{warned}{''.join(rows)}{key}"
        f'<div class="sl-links"><a href="level/{level.key}" download>Download</a>'
        f'<a class="sl-second" href="preview/{level.key}" target="sl-preview"'
        f' onclick="{_TO_PREVIEW}">Preview</a>'
        f'<a class="sl-second" href="preview/{level.key}" download="{escape(level.archive.stem)}'
        '.html">Preview as a file to send</a></div></div>'
    )


def _request(level: MadeLevel) -> LevelRequest:
    return level.request.request if isinstance(level.request, LevelWork) else level.request


def _asked(level: MadeLevel) -> str:
    said = []
    wanted, request = level.request, _request(level)
    if isinstance(wanted, LevelWork):
        said += [_DONE[wanted.task].format(wanted.span)]
    said += [f"seed {request.seed}"]
    said += [f"style: {request.style}"] if request.style else []
    said += [f"style pack {level.lora}"] if level.lora else []
    said += [f"after {Path(request.reference).stem}"] if request.reference else []
    said += [f"{request.candidates} candidates"] if request.candidates > 1 else []
    return ", ".join(said)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"
