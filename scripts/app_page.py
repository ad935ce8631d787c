"""The page of `saberlm app`, in Gradio: songs and settings to the left, levels to the right."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from saberlm.infer.studio import HeardFile, Studio
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.descriptors import WORDS
from saberlm.scripts.app_request import KINDS, PARTS, Settings, SongFields, make_requests
from saberlm.scripts.app_words import (
    HEADING,
    PLACEHOLDER,
    TERMS,
    frame,
    heard_words,
    level_cards,
    notice,
    progress_words,
)

MAX_SONGS = 12
SLOT_PARTS = 6
POLL_SECONDS = 0.3
PLAYABILITY = [("soft: faults unlikely", "soft"), ("strict: ruled out", "strict"), ("off", "off")]
CSS = """
.gradio-container { max-width: 1500px !important; }
.sl-head h1 { margin: 0; font-size: 1.5rem; } .sl-head p { margin: .2rem 0 0; opacity: .8; }
.sl-note { padding: .55rem .8rem; border-radius: 8px; border: 1px solid var(--border-color-primary);
  overflow-wrap: anywhere; margin: .2rem 0; }
.sl-bad { border-color: #d9534f; background: rgb(217 83 79 / 14%); }
.sl-warn { border-color: #d69e2e; background: rgb(214 158 46 / 14%); }
.sl-bar { height: 12px; border-radius: 6px; background: var(--border-color-primary);
  overflow: hidden; margin-bottom: .35rem; }
.sl-bar i { display: block; height: 100%; background: linear-gradient(90deg, #e04848, #3d9be9); }
.sl-level { padding: .7rem .9rem; border: 1px solid var(--border-color-primary);
  border-radius: 10px; margin-bottom: .6rem; overflow-wrap: anywhere; }
.sl-level h3 { margin: 0 0 .3rem; font-size: 1.05rem; } .sl-level ul { margin: .2rem 0 .5rem;
  padding-left: 1.1rem; } .sl-level li { margin: .15rem 0; }
.sl-links a, .sl-all { display: inline-block; padding: .35rem .8rem; border-radius: 7px;
  margin: .1rem .4rem .1rem 0; background: #2d6cdf; color: #fff !important; text-decoration: none; }
.sl-links a.sl-second { background: transparent; color: inherit !important;
  border: 1px solid var(--border-color-primary); }
.sl-frame { width: 100%; height: min(78vh, 760px); border: 1px solid var(--border-color-primary);
  border-radius: 10px; background: #070910; }
.sl-terms { font-size: .86rem; opacity: .85; }
#listened:not(:has(.sl-note)), #progress:not(:has(.sl-note)), #preview:not(:has(iframe)) {
  display: none; }
@media (max-width: 700px) { .sl-frame { height: 88vh; } }
"""


def theme() -> Any:
    """Gradio's plain look with the system's own letters: its themes fetch theirs from elsewhere."""
    return gr.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def build_page(studio: Studio) -> Any:
    """The page over a studio, as Gradio blocks."""
    with gr.Blocks(title="saberlm", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(HEADING, elem_classes="sl-head")
        with gr.Row():
            with gr.Column(scale=4, min_width=330):
                files = gr.File(
                    label="Songs (mp3, ogg, wav, flac)",
                    file_count="multiple",
                    elem_id="songs",
                    height=150,
                )
                listened = gr.HTML(elem_id="listened")
                slots = [_song_slot(i) for i in range(MAX_SONGS)]
                fields = _settings()
                with gr.Row():
                    go = gr.Button("Make levels", variant="primary", elem_id="go")
                    stop = gr.Button("Stop", variant="stop", elem_id="stop", interactive=False)
            with gr.Column(scale=6, min_width=330):
                progress = gr.HTML(elem_id="progress")
                results = gr.HTML(PLACEHOLDER, elem_id="results")
                preview = gr.HTML(elem_id="preview")
                gr.HTML(TERMS, elem_classes="sl-terms")
        heard = gr.State([])
        events = _Events(studio)
        files.change(
            events.listen,
            [files, heard],
            [listened, heard, go, *(part for slot in slots for part in slot)],
            show_progress="hidden",
            trigger_mode="always_last",
        )
        go.click(
            events.make,
            [heard, *fields.values(), *(part for slot in slots for part in slot[2:])],
            [progress, results, preview, go, stop],
            show_progress="hidden",
        )
        stop.click(events.stop, None, None, queue=False, show_progress="hidden")
        page.unload(events.stop)
    page.queue(default_concurrency_limit=16)
    return page


def _song_slot(index: int) -> list[Any]:
    """One song's part: [group, words, title, artist, bpm, offset]."""
    with gr.Group(visible=False, elem_id=f"song-{index}") as group:
        words = gr.HTML(padding=True)
        with gr.Row():
            title = gr.Textbox(label="Title", max_length=90, min_width=120)
            artist = gr.Textbox(label="Artist", max_length=90, min_width=120)
        with gr.Row():
            bpm = gr.Number(label="BPM", minimum=10, maximum=1000, min_width=120)
            offset = gr.Number(label="First beat at (s)", min_width=120)
    return [group, words, title, artist, bpm, offset]


def _settings() -> dict[str, Any]:
    """The settings by their name in `Settings`."""
    labels = ["Expert+" if name == "ExpertPlus" else name for name in DIFFICULTIES]
    made: dict[str, Any] = {
        "difficulties": gr.CheckboxGroup(
            list(zip(labels, DIFFICULTIES, strict=True)),
            value=["Hard", "Expert"],
            label="Difficulties",
            elem_id="difficulties",
        ),
        "style": gr.Dropdown(
            list(WORDS), multiselect=True, allow_custom_value=True, max_choices=8,
            label="Style", info="Choose, or write words of your own", elem_id="style",
        ),
        "parts": gr.CheckboxGroup(list(PARTS), value=list(PARTS), label="With"),
    }  # fmt: skip
    with gr.Accordion("More settings", open=False):
        with gr.Row():
            made["nps"] = gr.Number(
                label="Notes a second", info="empty: usual for the difficulty", minimum=0,
                maximum=16, step=0.1, value=None, min_width=140,
            )  # fmt: skip
            made["njs"] = gr.Number(
                label="Note jump speed", info="empty: by the map's density", minimum=0,
                maximum=30, step=0.5, value=None, min_width=140,
            )  # fmt: skip
        made["avoid"] = gr.Dropdown(
            list(WORDS), multiselect=True, allow_custom_value=True, max_choices=8,
            label="Not this style", info="takes twice as long",
        )  # fmt: skip
        made["rating"] = gr.Slider(0, 10, value=9, step=1, label="Quality asked for")
        made["playability"] = gr.Dropdown(PLAYABILITY, value="soft", label="Playability")
        made["candidates"] = gr.Slider(
            1, 8, value=1, step=1, label="Candidates", info="makes so many and keeps the best"
        )
        with gr.Row():
            made["seed"] = gr.Number(
                label="Seed", info="the same seed gives the same level", value=0, minimum=0,
                precision=0, elem_id="seed", min_width=140,
            )  # fmt: skip
            other = gr.Button("Another seed", elem_id="other-seed", min_width=120)
    other.click(lambda: secrets.randbelow(1_000_000), None, made["seed"], show_progress="hidden")
    return made


class _Events:
    """What the page's controls do.

    Args:
        studio: makes the levels.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def stop(self, request: gr.Request) -> None:
        """Stops the visitor's job."""
        self.studio.stop(str(request.session_hash))

    def listen(self, paths: list[str] | None, before: list[HeardFile]) -> Iterator[list[Any]]:
        """Hears the songs that are new; shows each with what was found."""
        known = {one.path: one for one in before}
        wanted = [Path(path) for path in (paths or [])[:MAX_SONGS]]
        more = len(paths or []) - len(wanted)
        found: list[HeardFile] = []
        for number, path in enumerate(wanted, 1):
            if path not in known:
                words = notice(f"Listening to {path.name} ({number} of {len(wanted)}) …")
                waiting = [gr.skip()] * (SLOT_PARTS * MAX_SONGS)
                yield [words, gr.skip(), gr.update(interactive=False), *waiting]
            found.append(known.get(path) or self.studio.hear(path))
        words = ""
        if more > 0:
            words = notice(f"{more} songs more than {MAX_SONGS} are left out.", "warn")
        slots: list[Any] = []
        for index in range(MAX_SONGS):
            one = found[index] if index < len(found) else None
            here = before[index].path if index < len(before) else None
            slots += _shown_slot(one, kept=one is not None and one.path == here)
        yield [words, found, gr.update(interactive=True), *slots]

    def make(
        self, request: gr.Request, heard: list[HeardFile], *values: Any
    ) -> Iterator[list[Any]]:
        """Runs the job and shows how far it is, until it is done or stopped."""
        idle = [gr.update(interactive=True), gr.update(interactive=False)]
        busy = [gr.update(interactive=False), gr.update(interactive=True)]
        settings = Settings(*values[: len(KINDS)])
        rest = values[len(KINDS) :]
        songs = [SongFields(*rest[i : i + 4]) for i in range(0, len(rest), 4)]
        try:
            requests = make_requests(heard, songs, settings)
        except ValueError as error:
            yield [notice(str(error), "bad"), gr.skip(), gr.skip(), *idle]
            return
        job = self.studio.start(str(request.session_hash), requests)
        number = 0
        while True:
            finished = job.finished  # before looking: nothing that comes after is missed
            count = len(job.levels)
            shown = [gr.skip(), gr.skip()]
            if count != number:  # the first one is played at once, the others when asked for
                cards = level_cards(self.studio.made_by(job.owner))
                shown = [cards, gr.skip() if number else frame(job.levels[0])]
            number = count
            yield [progress_words(job), *shown, *(idle if finished else busy)]
            if finished:
                return
            time.sleep(POLL_SECONDS)


def _shown_slot(one: HeardFile | None, *, kept: bool) -> list[Any]:
    """A slot's parts for a song; what was written into the fields of one that was there stays."""
    if one is None:
        return [gr.update(visible=False), "", "", "", None, None]
    words = [gr.update(visible=True), heard_words(one)]
    if kept:
        return [*words, *[gr.skip()] * 4]
    fields = SongFields.of(one)
    usable = one.tempo is not None
    values = (fields.title, fields.artist, fields.bpm, fields.offset)
    return [*words, *(gr.update(value=value, interactive=usable) for value in values)]
