"""How far a codec's sound is from the original: multi-scale mel distance, waveform distance,
SI-SDR.

The mel loss is that of the Descript Audio Codec (Kumar et al. 2023, "High-Fidelity Audio
Compression with Improved RVQGAN", 3.3): L1 between log10 power mel spectra at several window
lengths, hop a quarter of the window, fewer bands at short windows.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

MEL_SCALES = ((128, 10), (256, 20), (512, 40), (1024, 80), (2048, 160))
"""Window in samples, and mel bands."""
FLOOR = 1e-5  # of mel magnitude


@cache
def _filters(sample_rate: int, window: int, bands: int) -> Tensor:
    import librosa

    return torch.from_numpy(
        librosa.filters.mel(sr=sample_rate, n_fft=window, n_mels=bands, fmin=0.0)
    )


def log_mel(samples: Tensor, sample_rate: int, window: int, bands: int) -> Tensor:
    """log10 of mel magnitudes squared, ``(B, T)`` -> ``(B, bands, F)``."""
    hann = torch.hann_window(window, device=samples.device)
    spectrum = torch.stft(
        samples, window, window // 4, window=hann, center=True, return_complex=True
    )
    # the derivative of a complex number's size at 0 is none
    power = spectrum.real.square() + spectrum.imag.square()
    filters = _filters(sample_rate, window, bands).to(samples.device)
    return 2 * torch.log10((filters @ (power + 1e-12).sqrt()).clamp(min=FLOOR))


def mel_distance(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Mean over `MEL_SCALES` of the mean absolute difference of log mel spectra (in bels), of
    ``(B, T)`` each."""
    distances = [
        (
            log_mel(estimate, sample_rate, window, bands)
            - log_mel(reference, sample_rate, window, bands)
        )
        .abs()
        .mean()
        for window, bands in MEL_SCALES
    ]
    return torch.stack(distances).mean()


def wave_distance(estimate: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference as a share of the reference's mean absolute value, per row, then
    the mean; ``(B, T)`` each."""
    size = reference.abs().mean(dim=1).clamp(min=1e-3)
    return ((estimate - reference).abs().mean(dim=1) / size).mean()


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB, ``(B, T)`` each -> ``(B,)`` (Le Roux et al.
    2019, "SDR - half-baked or well done?", equation 3; means taken off first)."""
    estimate = estimate - estimate.mean(dim=1, keepdim=True)
    reference = reference - reference.mean(dim=1, keepdim=True)
    power = reference.square().sum(1, keepdim=True).clamp(min=1e-9)
    target = (estimate * reference).sum(1, keepdim=True) / power * reference
    noise = (estimate - target).square().sum(1).clamp(min=1e-9)
    return 10 * torch.log10(target.square().sum(1).clamp(min=1e-9) / noise)
