"""``python -m saberlm.scripts.plot_preference RUN OUT.png``: how a DPO run went: loss and reward
margin of the train pairs; accuracy by source and divergence from the reference, held-out pairs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="plot_preference", description=__doc__)
    parser.add_argument("run", type=Path, help="output folder of `saberlm train dpo`")
    parser.add_argument("out", type=Path, help="PNG to write")
    args = parser.parse_args(argv)
    try:
        log, valid = read_run(args.run)
    except ValueError as error:
        print(f"plot_preference: {error}", file=sys.stderr)
        return 1
    draw(log, valid, args.run.name, args.out)
    return 0


def read_run(run: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The logged steps of a run, up to its newest checkpoint where it was stopped, and its
    measurements of held-out pairs.

    Raises:
        ValueError: no run there.
    """
    states = sorted(run.glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    places = [path for path in (run / "log.json", *states[::-1]) if path.is_file()]
    if not places or not (run / "valid.jsonl").is_file():
        raise ValueError(
            f"expected a run of `saberlm train dpo` with a checkpoint, found none in {run}"
        )
    found = json.loads(places[0].read_text())
    rows = found if isinstance(found, list) else found["log_history"]
    lines = (run / "valid.jsonl").read_text().splitlines()
    return [row for row in rows if "loss" in row], [json.loads(line) for line in lines]


def draw(log: list[dict[str, Any]], valid: list[dict[str, Any]], name: str, out: Path) -> None:
    """Four panels over the steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(11, 7), layout="constrained", sharex=True)
    steps = [row["step"] for row in log]
    for axis, key, title, unit in (
        (panels[0, 0], "loss", "loss, train pairs", "nats"),
        (panels[0, 1], "rewards/margins", "reward margin, train pairs", "beta x nats"),
    ):
        axis.plot(steps, [row.get(key, float("nan")) for row in log], color="0.4")
        axis.set(title=title, ylabel=unit)
    sources = [key for key, value in valid[-1].items() if isinstance(value, dict)]
    at = [row["step"] for row in valid]
    for source in sources:
        width = 2.5 if source == "all" else 1.2
        label = f"{source} (n {valid[-1][source]['pairs']})"
        for axis, key in ((panels[1, 0], "accuracy"), (panels[1, 1], "divergence")):
            axis.plot(at, [row[source][key] for row in valid], "o-", ms=3, lw=width, label=label)
    panels[1, 0].set(title="accuracy, held-out pairs", xlabel="step", ylim=(0, 1))
    panels[1, 0].axhline(0.5, color="0.8", lw=1)
    panels[1, 1].set(
        title="divergence from the reference, held-out pairs", xlabel="step", ylabel="nats a token"
    )
    panels[1, 0].legend(fontsize=8)
    figure.suptitle(name)
    temporary = out.with_name(out.name + ".partial")
    figure.savefig(temporary, format="png", dpi=110)
    temporary.replace(out)


if __name__ == "__main__":
    sys.exit(main())
