"""The controls of the page of `saberlm app`: a song's fields, the settings, work on a level."""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr

from saberlm.adapter.style_pack import pack_names
from saberlm.infer.amounts import AMOUNTS
from saberlm.infer.chroma import PALETTES
from saberlm.infer.decoration import DECORATIONS
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.descriptors import WORDS
from saberlm.scripts.app_request import PARTS

SLOT_PARTS = 6
_DIFFICULTIES = [("Expert+" if name == "ExpertPlus" else name, name) for name in DIFFICULTIES]
_PLAYABILITY = [("soft: faults unlikely", "soft"), ("strict: ruled out", "strict"), ("off", "off")]
_AMOUNTS = [("as usual", ""), *((one, one) for one in AMOUNTS)]
_TASKS = [
    ("Make a part anew", "range"),
    ("Continue to the song's end", "continue"),
    ("New light show", "lights"),
    ("Add missing difficulties", "spread"),
]


def song_slot(index: int) -> list[Any]:
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


def settings() -> dict[str, Any]:
    """The settings by their name in `saberlm.scripts.app_request.Settings`."""
    made: dict[str, Any] = {
        "difficulties": gr.CheckboxGroup(
            _DIFFICULTIES, value=["Hard", "Expert"], label="Difficulties", elem_id="difficulties"
        ),
        "style": gr.Dropdown(
            list(WORDS), multiselect=True, allow_custom_value=True, max_choices=8,
            label="Style", info="choose; words that are not listed may do nothing",
            elem_id="style",
        ),
        "parts": gr.CheckboxGroup(list(PARTS), value=list(PARTS), label="With"),
        "full_spread": gr.Checkbox(
            label="Full spread", value=False, elem_id="full-spread",
            info="all five difficulties, each clearly sparser than the harder one",
        ),
    }  # fmt: skip
    with gr.Accordion("More settings", open=False, elem_id="more"):
        made["reference"] = gr.File(
            label="A level to follow (zip)", file_types=[".zip"],
            height=150, elem_id="reference",
        )  # fmt: skip
        packs = pack_names()
        made["lora"] = gr.Dropdown(
            [("none", ""), *((one, one) for one in packs)], value="", label="Style pack",
            info="a mapper's manner, learnt by saberlm train lora", visible=bool(packs),
            elem_id="lora",
        )  # fmt: skip
        with gr.Row():
            made["walls"] = gr.Dropdown(_AMOUNTS, value="", label="Walls", min_width=140)
            made["bombs"] = gr.Dropdown(_AMOUNTS, value="", label="Bombs", min_width=140)
        made["decorative_walls"] = gr.Dropdown(
            list(DECORATIONS), value="none", label="Decorative walls", elem_id="decorative-walls",
            info="beside the notes, in time with the song and in nobody's way",
        )  # fmt: skip
        made["chroma"] = gr.Dropdown(
            [("the environment's own", ""), *((one, one) for one in PALETTES)], value="",
            label="Light colours", info="seen by players who have the mod Chroma",
        )  # fmt: skip
        with gr.Row():
            made["nps"] = gr.Number(
                label="Notes a second", info="0: usual for the difficulty", minimum=0,
                maximum=16, step=0.1, value=None, min_width=140,
            )  # fmt: skip
            made["njs"] = gr.Number(
                label="Note jump speed", info="0: by the map's density", minimum=0,
                maximum=30, step=0.5, value=None, min_width=140,
            )  # fmt: skip
        made["avoid"] = gr.Dropdown(
            list(WORDS), multiselect=True, allow_custom_value=True, max_choices=8,
            label="Not this style",
        )  # fmt: skip
        made["rating"] = gr.Slider(
            0, 10, value=9, step=1, label="Quality asked for",
            info="as players rated the maps that the model learnt from",
        )  # fmt: skip
        made["playability"] = gr.Dropdown(_PLAYABILITY, value="soft", label="Playability")
        made["candidates"] = gr.Slider(
            1, 8, value=1, step=1, label="Candidates", info="makes so many and keeps the best"
        )
        with gr.Row():
            made["seed"] = gr.Number(
                label="Seed", info="the same seed gives the same level", value=0, minimum=0,
                precision=0, elem_id="seed", min_width=140,
            )  # fmt: skip
            other = gr.Button("Another seed", elem_id="other-seed", min_width=120)
    made["full_spread"].change(
        lambda on: gr.update(value=list(DIFFICULTIES)) if on else gr.skip(),
        made["full_spread"],
        made["difficulties"],
        show_progress="hidden",
    )
    other.click(lambda: secrets.randbelow(1_000_000), None, made["seed"], show_progress="hidden")
    return made


def work() -> tuple[dict[str, Any], Any]:
    """The fields of `saberlm.scripts.app_request.WorkFields` by name, and the button."""
    with gr.Accordion("Work on an existing level", open=False, elem_id="work"):
        made: dict[str, Any] = {
            "level": gr.File(
                label="Level (zip); none: the newest made here", file_types=[".zip"],
                height=150, elem_id="level",
            ),
            "task": gr.Dropdown(_TASKS, value="range", label="What", elem_id="task"),
            "span": gr.Textbox(
                label="Part", info="seconds (0:20-0:35) or beats (32-64b); whole bars are replaced",
                value="0:20-0:35", elem_id="span",
            ),
            "difficulties": gr.CheckboxGroup(
                _DIFFICULTIES, label="Which difficulties",
                info="none chosen: all that the work is for",
            ),
            "new_lights": gr.Checkbox(label="New lights in that part, too", value=False),
        }  # fmt: skip
        gr.HTML(
            "<small>All else stays as it is, object for object. Style, style pack, notes a second,"
            " light colours (of new lights), seed and playability are taken from the settings"
            " above.</small>"
        )
        go = gr.Button("Work on it", variant="primary", elem_id="work-go")
    made["task"].change(
        lambda task: [gr.update(visible=task == "range")] * 2,
        made["task"],
        [made["span"], made["new_lights"]],
        show_progress="hidden",
    )
    return made, go
