"""How the page of `saberlm app` looks."""

from __future__ import annotations

from typing import Any

import gradio as gr

CSS = """
.gradio-container { max-width: 1600px !important; }
.sl-head h1 { margin: 0; font-size: 1.5rem; } .sl-head p { margin: .2rem 0 0; opacity: .8; }
.sl-note { padding: .55rem .8rem; border-radius: 8px; border: 1px solid var(--border-color-primary);
  overflow-wrap: anywhere; margin: .2rem 0; }
.sl-bad { border-color: #d9534f; background: rgb(217 83 79 / 14%); }
.sl-warn { border-color: #d69e2e; background: rgb(214 158 46 / 14%); }
.sl-good { border-color: #38a169; background: rgb(56 161 105 / 14%); }
.sl-bar { height: 12px; border-radius: 6px; background: var(--border-color-primary);
  overflow: hidden; margin-bottom: .35rem; }
.sl-bar i { display: block; height: 100%; background: linear-gradient(90deg, #e04848, #3d9be9); }
.sl-level { padding: .7rem .9rem; border: 1px solid var(--border-color-primary);
  border-radius: 10px; margin-bottom: .6rem; overflow-wrap: anywhere; }
.sl-level h3 { margin: 0; font-size: 1.05rem; } .sl-level p { margin: 0 0 .4rem; opacity: .75; }
.sl-diff { margin: .5rem 0 .6rem; } .sl-diff > span { font-size: .92rem; }
.sl-plot { display: block; width: 100%; height: 52px; }
.sl-marks { position: relative; height: 9px; margin-top: .25rem; }
.sl-marks i { position: absolute; margin-left: -5px; border: 5px solid transparent;
  border-top: 8px solid #e04848; border-bottom: 0; }
.sl-key { font-size: .8rem; opacity: .75; }
.sl-links a, .sl-all { display: inline-block; padding: .35rem .8rem; border-radius: 7px;
  margin: .1rem .4rem .1rem 0; background: #2d6cdf; color: #fff !important; text-decoration: none; }
.sl-links a.sl-second { background: transparent; color: inherit !important;
  border: 1px solid var(--border-color-primary); }
.sl-frame { width: 100%; height: min(82vh, 720px); border: 1px solid var(--border-color-primary);
  border-radius: 10px; background: #070910; }
.sl-pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; }
.sl-pair h4 { margin: 0 0 .25rem; font-size: .95rem; }
.sl-terms { font-size: .86rem; opacity: .85; }
#listened:not(:has(.sl-note)), #progress:not(:has(.sl-note)), #preview:not(:has(iframe)) {
  display: none; }
@media (max-width: 760px) { .sl-frame { height: 88vh; } .sl-pair { grid-template-columns: 1fr; } }
"""


def theme() -> Any:
    """Gradio's plain look with the system's own letters: its themes fetch theirs from elsewhere."""
    return gr.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")
