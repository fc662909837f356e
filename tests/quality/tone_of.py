"""Gaps, clicks and drift in the recording of a 1 kHz tone.

    tone_of.py RECORDING

prints one JSON line. In windows of 20 ms a sine of the tone's frequency is fitted; what is left
besides it is noise and distortion. A gap is a window without the tone, a click one whose rest is far
above the usual, a slip one before which the tone's phase jumped. Drift is how far the tone's
frequency is off over all, in parts per million. `at` are the seconds at which something of it begins,
the first 30. WAV, mono, 16 bits, 8 kHz; the first second is left
out, and so is the last.
"""

import json
import sys
import wave

import numpy as np

RATE = 8000
TONE = 1000.0
WINDOW = 160
SHOWN = 30


def read(path):
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{path} is not WAV, mono, 16 bits, 8 kHz")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


def main():
    pcm = read(sys.argv[1])[RATE:-RATE]
    windows = pcm[: len(pcm) // WINDOW * WINDOW].reshape(-1, WINDOW)
    # A window holds a whole number of periods, so the fit is a projection.
    wave_of_tone = np.exp(-2j * np.pi * TONE * np.arange(WINDOW) / RATE)
    fit = windows @ wave_of_tone * 2 / WINDOW
    rest = windows - np.real(fit[:, None] * np.conj(wave_of_tone)[None, :])
    level, noise = np.abs(fit), np.sqrt(np.mean(rest**2, axis=1))
    usual_level, usual_noise = np.median(level), np.median(noise)
    is_gap = level < usual_level / 2
    is_click = noise > np.maximum(usual_noise * 4, usual_level / 20)
    phase = np.unwrap(np.angle(fit))
    steps = np.diff(phase)
    is_slip = np.append(False, np.abs(steps - np.median(steps)) > 0.3)
    # Windows next to each other are one event.
    events = np.flatnonzero(is_gap | is_click | is_slip)
    first = events[np.append(True, np.diff(events) > 2)] if len(events) else events
    drift = np.median(steps) / (2 * np.pi * TONE * WINDOW / RATE) * 1e6
    print(
        json.dumps(
            {
                "seconds": round(len(pcm) / RATE, 1),
                "sinad_db": round(20 * float(np.log10(usual_level / np.sqrt(2) / max(usual_noise, 1e-9))), 1),
                "gaps": int(np.sum(is_gap)),
                "clicks": int(np.sum(is_click)),
                "slips": int(np.sum(is_slip)),
                "drift_ppm": round(float(drift), 2),
                "at": [round(1 + float(window) * WINDOW / RATE, 2) for window in first[:SHOWN]],
            }
        )
    )


main()
