// What a second of sound says: the loudest frequency in Hz and the level (RMS).

/** Radix-2 FFT in place; `re.length` is a power of two. */
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const c = Math.cos((2 * Math.PI * k) / size);
      const s = -Math.sin((2 * Math.PI * k) / size);
      for (let at = k; at < n; at += size) {
        const x = re[at + half] * c - im[at + half] * s;
        const y = re[at + half] * s + im[at + half] * c;
        re[at + half] = re[at] - x;
        im[at + half] = im[at] - y;
        re[at] += x;
        im[at] += y;
      }
    }
  }
}

/** `[hertz, level]` of the last 32,768 samples, which must be there. */
export function peak(samples, rate) {
  const n = 32768;
  const last = samples.slice(-n);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  let power = 0;
  for (let i = 0; i < n; i++) {
    re[i] = last[i] * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
    power += last[i] * last[i];
  }
  fft(re, im);
  let best = 0;
  let loudest = -1;
  for (let i = Math.ceil((50 * n) / rate); i < n / 2; i++) {
    const size = re[i] * re[i] + im[i] * im[i];
    if (size > loudest) [best, loudest] = [i, size];
  }
  return [(best * rate) / n, Math.sqrt(power / n)];
}
