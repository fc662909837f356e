//! What is built in to be played: a rising chime of four tones, made when it is needed, and spoken
//! prompts, which were made with a speech synthesiser.

/// Samples per second.
const RATE: f32 = 8_000.0;

/// "Please enter the pin, followed by the hash key": μ-law, 8 kHz.
pub const ENTER_PIN: &[u8] = include_bytes!("../assets/enter_pin.ulaw");
/// "That pin is not right. Please try again": μ-law, 8 kHz.
pub const WRONG_PIN: &[u8] = include_bytes!("../assets/wrong_pin.ulaw");
/// "Thank you. You are being connected": μ-law, 8 kHz.
pub const ROOM_JOIN: &[u8] = include_bytes!("../assets/room_join.ulaw");

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::decode_ulaw;

    #[test]
    fn the_spoken_prompts_are_short_and_loud_enough() {
        for clip in [ENTER_PIN, WRONG_PIN, ROOM_JOIN] {
            let seconds = clip.len() / 8_000;
            assert!((1..6).contains(&seconds), "{seconds} s");
            let energy: f64 = clip.iter().map(|byte| f64::from(decode_ulaw(*byte)).powi(2)).sum();
            let level = (energy / clip.len() as f64).sqrt();
            assert!((800.0..8_000.0).contains(&level), "{level}");
        }
    }
}
