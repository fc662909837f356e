//! The built-in greeting: a rising chime of four tones, made when it is needed.

/// Samples per second.
const RATE: f32 = 8_000.0;

/// The greeting at 8 kHz, about two seconds.
pub fn greeting() -> Vec<i16> {
    let mut samples = Vec::new();
    for (frequency, seconds) in [(523.25, 0.35), (659.25, 0.35), (783.99, 0.35), (1046.5, 0.9)] {
        let count = (seconds * RATE) as usize;
        for n in 0..count {
            let at = n as f32 / RATE;
            // A short attack and a long fall, like a struck bar.
            let envelope = (at / 0.01).min(1.0) * (-3.0 * at / seconds).exp();
            let wave = (std::f32::consts::TAU * frequency * at).sin();
            samples.push((wave * envelope * 12_000.0) as i16);
        }
    }
    samples
}
