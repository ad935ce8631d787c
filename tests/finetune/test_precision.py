import logging

import pytest
import torch

from saberlm.finetune import precision

transformers = pytest.importorskip("transformers")


def _args(tmp_path, **settings):
    return transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, **settings)


def test_a_run_whose_processor_would_emulate_bf16_computes_in_float32(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(precision, "has_bf16", lambda *_: False)
    args = _args(tmp_path, bf16=True)
    with caplog.at_level(logging.WARNING):
        precision.settle_precision(args)
    assert (args.bf16, args.mixed_precision) == (False, "no")
    assert "float32" in caplog.text


@pytest.mark.parametrize("asked", [True, False])
def test_what_was_asked_stays_where_the_processor_has_it(tmp_path, monkeypatch, caplog, asked):
    monkeypatch.setattr(precision, "has_bf16", lambda *_: True)
    args = _args(tmp_path, bf16=asked)
    precision.settle_precision(args)
    assert args.bf16 == asked
    assert args.mixed_precision == ("bf16" if asked else "no")
    assert not caplog.text


def test_a_gpu_is_left_to_the_trainer():
    assert precision.has_bf16(torch.device("cuda"))
    assert isinstance(precision.has_bf16("cpu"), bool)


@pytest.mark.parametrize("asked", [True, False])
def test_a_quantised_base_wants_bf16_and_keeps_it(tmp_path, monkeypatch, asked):
    monkeypatch.setattr(precision, "has_bf16", lambda *_: False)
    args = _args(tmp_path, bf16=asked)
    if asked:
        precision.settle_precision(args, "nf4")
        assert args.bf16
        return
    with pytest.raises(ValueError, match="expected bf16: true with quantize: nf4"):
        precision.settle_precision(args, "nf4")
