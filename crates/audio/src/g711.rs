//! G.711 μ-law and A-law (ITU-T G.711).

/// One sample to μ-law.
pub fn encode_ulaw(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs()).min(32_635) + BIAS;
    let exponent = (31 - magnitude.leading_zeros() as i32 - 7).clamp(0, 7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// One μ-law byte to a sample.
pub fn decode_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = i32::from(byte >> 4 & 7);
    let magnitude = (((i32::from(byte & 0x0f) << 3) + 0x84) << exponent) - 0x84;
    (if byte & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// One sample to A-law.
pub fn encode_alaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = if sample < 0 { !sample } else { sample } >> 4;
    let byte = if magnitude < 16 {
        magnitude as u8
    } else {
        let exponent = 15 - (magnitude as u16).leading_zeros() as u8 - 3;
        (exponent << 4) | ((magnitude >> (exponent - 1)) as u8 & 0x0f)
    };
    (sign | byte) ^ 0x55
}

/// One A-law byte to a sample.
pub fn decode_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let exponent = byte >> 4 & 7;
    let mantissa = i16::from(byte & 0x0f) << 4;
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_extremes_have_their_known_codes() {
        assert_eq!(encode_ulaw(0), 0xff);
        assert_eq!(decode_ulaw(0xff), 0);
        assert_eq!(decode_ulaw(0x00), -32_124);
        assert_eq!(decode_ulaw(0x80), 32_124);
        assert_eq!(encode_alaw(0), 0xd5);
        assert_eq!(decode_alaw(0xd5), 8);
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            let sample = decode_ulaw(byte);
            // μ-law has two zeros.
            if sample != 0 {
                assert_eq!(encode_ulaw(sample), byte, "μ-law {byte:#x}");
            }
            assert_eq!(encode_alaw(decode_alaw(byte)), byte, "A-law {byte:#x}");
        }
    }
}
