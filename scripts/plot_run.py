"""``python -m saberlm.scripts.plot_run RUN OUT.png``: the loss curve of a training run."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="plot_run", description=__doc__)
    parser.add_argument("run", help="output folder of `saberlm train sft`")
    parser.add_argument("out", help="PNG to write")
    args = parser.parse_args(argv)

    import json
    from pathlib import Path

    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    run = Path(args.run)
    valid = [json.loads(line) for line in (run / "valid.jsonl").read_text().splitlines()]
    states = sorted(run.glob("checkpoint-*/trainer_state.json"), key=lambda p: p.stat().st_mtime)
    final = run / "log.json"
    log = json.loads(final.read_text() if final.exists() else states[-1].read_text())
    log = log if isinstance(log, list) else log["log_history"]
    train = [row for row in log if "loss" in row]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    left.plot(
        [r["step"] for r in train],
        [r["loss"] for r in train],
        color="0.7",
        label="train, with onset loss",
    )
    left.plot([r["step"] for r in valid], [r["eval_loss"] for r in valid], "o-", label="valid")
    left.set(title="next-token loss", xlabel="step", ylabel="nats a token")
    for kind in ("position", "note", "light"):
        (line,) = right.plot(
            [r["step"] for r in valid], [r[f"eval_{kind}_loss"] for r in valid], "o-", label=kind
        )
        right.plot(
            [r["step"] for r in valid],
            [r[f"eval_wrong_{kind}_loss"] for r in valid],
            ":",
            color=line.get_color(),
        )
    right.set(title="valid by kind (dotted: another song's audio)", xlabel="step")
    for axis in (left, right):
        axis.legend()
        axis.grid(alpha=0.3)
    figure.savefig(args.out, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
