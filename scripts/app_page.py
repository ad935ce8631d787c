"""The page of `saberlm app`, in Gradio: songs and settings to the left, levels to the right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from saberlm.infer.studio import HeardFile, Job, Studio
from saberlm.scripts.app_controls import SLOT_PARTS, settings, song_slot, work
from saberlm.scripts.app_request import (
    KINDS,
    Settings,
    SongFields,
    WorkFields,
    make_requests,
    make_work,
)
from saberlm.scripts.app_words import (
    HEADING,
    PLACEHOLDER,
    TERMS,
    TO_ANSWER,
    frame,
    heard_words,
    level_cards,
    notice,
    pair_of_frames,
    progress_words,
)

MAX_SONGS = 12
POLL_SECONDS = 0.3
_NUM_BUTTONS = 4


def build_page(studio: Studio) -> Any:
    """The page over a studio, as Gradio blocks."""
    with gr.Blocks(title="saberlm", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(HEADING, elem_classes="sl-head")
        with gr.Row():
            with gr.Column(scale=3, min_width=330):
                files = gr.File(
                    label="Songs (mp3, ogg, wav, flac)",
                    file_count="multiple",
                    elem_id="songs",
                    height=150,
                )
                listened = gr.HTML(elem_id="listened")
                slots = [song_slot(i) for i in range(MAX_SONGS)]
                fields = settings()
                with gr.Row():
                    go = gr.Button("Make levels", variant="primary", elem_id="go")
                    stop = gr.Button("Stop", variant="stop", elem_id="stop", visible=False)
                again = gr.Button("Again, with another seed", elem_id="again", visible=False)
                work_fields, work_go = work()
            with gr.Column(scale=7, min_width=330):
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
        shown = [progress, results, preview, go, stop, again, work_go]
        own = [*fields.values()]
        go.click(
            events.make,
            [heard, *own, *(part for slot in slots for part in slot[2:])],
            shown,
            show_progress="hidden",
        )
        again.click(events.again, None, shown, show_progress="hidden")
        work_go.click(events.work, [*work_fields.values(), *own], shown, show_progress="hidden")
        for button in (go, again, work_go):
            button.click(None, None, None, js=TO_ANSWER)
        files.change(lambda: "", None, progress, show_progress="hidden")  # the last answer is old
        stop.click(events.stop, None, None, queue=False, show_progress="hidden")
        page.unload(events.stop)
    page.queue(default_concurrency_limit=16)
    return page


def _buttons(*, busy: bool, made: bool) -> list[Any]:
    """Make, stop, again, work."""
    return [
        gr.update(interactive=not busy),
        gr.update(visible=busy),
        gr.update(visible=made, interactive=not busy),
        gr.update(interactive=not busy),
    ]


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
        """Maps the songs."""
        rest = values[len(KINDS) :]
        songs = [SongFields(*rest[i : i + 4]) for i in range(0, len(rest), 4)]
        settings = Settings(*values[: len(KINDS)])
        try:
            requests = make_requests(heard, songs, settings)
        except ValueError as error:
            yield self._refused(error)
            return
        owner = str(request.session_hash)
        yield from self._watch(self.studio.start(owner, requests, lora=settings.lora or None))

    def again(self, request: gr.Request) -> Iterator[list[Any]]:
        """Does the last job once more, with another seed."""
        try:
            job = self.studio.again(str(request.session_hash))
        except ValueError as error:
            yield self._refused(error)
            return
        yield from self._watch(job)

    def work(self, request: gr.Request, *values: Any) -> Iterator[list[Any]]:
        """Works on a level: the one given, or the newest one made here."""
        owner = str(request.session_hash)
        fields = WorkFields(*values[: -len(KINDS)])
        settings = Settings(*values[-len(KINDS) :])
        newest = next((one.archive for one in self.studio.made_by(owner)), None)
        try:
            wish = make_work(fields, newest, settings)
        except ValueError as error:
            yield self._refused(error)
            return
        yield from self._watch(self.studio.start(owner, [wish], lora=settings.lora or None))

    @staticmethod
    def _refused(error: ValueError) -> list[Any]:
        kept = [gr.skip()] * (2 + _NUM_BUTTONS)
        return [notice(str(error), "bad"), *kept]

    def _watch(self, job: Job) -> Iterator[list[Any]]:
        """Shows how far a job is, until it is done or stopped."""
        number = 0
        while True:
            finished = job.finished  # before looking: nothing that comes after is missed
            count = len(job.levels)
            shown = [gr.skip(), gr.skip()]
            made = self.studio.made_by(job.owner)
            if count != number:  # the first one is played at once, the others when asked for
                first = job.levels[0]
                other = self.studio.levels.get(first.other or "")
                window = frame(first) if other is None else pair_of_frames(other, first)
                shown = [level_cards(made), gr.skip() if number else window]
            number = count
            yield [progress_words(job), *shown, *_buttons(busy=not finished, made=bool(made))]
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
    return [*words, *(gr.update(value=value, visible=usable) for value in values)]
