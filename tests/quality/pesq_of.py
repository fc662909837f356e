"""PESQ-NB (ITU-T P.862) of recordings against the clip that was said.

Each segment of nine seconds of the clip is looked for in the recording by cross-correlation, so it
does not matter when the recording began, and judged by itself. The clip is said over and over: every
segment is somewhere in a recording of twice its length.

    pesq_of.py CLIP RECORDING…

prints one JSON line per recording. All files are WAV, mono, 16 bits, 8 kHz.
"""

import json
import sys
import wave

import numpy as np
from pesq import NoUtterancesError, pesq

RATE = 8000
SEGMENT = 9 * RATE


def read(path):
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{path} is not WAV, mono, 16 bits, 8 kHz")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


def best_place(segment, recording):
    """Where the segment is in the recording, by normalised cross-correlation."""
    size = 1 << (len(recording) + len(segment)).bit_length()
    spectrum = np.fft.rfft(recording, size) * np.conj(np.fft.rfft(segment, size))
    places = len(recording) - len(segment) + 1
    correlation = np.fft.irfft(spectrum, size)[:places]
    energy = np.concatenate([[0], np.cumsum(recording**2)])
    window = energy[len(segment) :] - energy[: -len(segment)]
    likeness = correlation / np.sqrt(np.maximum(window * np.sum(segment**2), 1))
    place = int(np.argmax(likeness))
    return place, float(likeness[place])


def judge(clip, recording):
    scores, likenesses = [], []
    for begin in range(0, len(clip) - SEGMENT + 1, SEGMENT):
        segment = clip[begin : begin + SEGMENT]
        place, likeness = best_place(segment, recording)
        heard = recording[place : place + SEGMENT]
        try:
            scores.append(float(pesq(RATE, segment.astype(np.int16), heard.astype(np.int16), "nb")))
        except NoUtterancesError:
            continue
        likenesses.append(likeness)
    return scores, likenesses


def main():
    clip = read(sys.argv[1])
    for path in sys.argv[2:]:
        scores, likenesses = judge(clip, read(path))
        if not scores:
            raise SystemExit(f"{path}: no segment could be judged")
        print(
            json.dumps(
                {
                    "file": path,
                    "segments": len(scores),
                    "mean": round(float(np.mean(scores)), 3),
                    "least": round(min(scores), 3),
                    "least_likeness": round(min(likenesses), 3),
                }
            )
        )


main()
