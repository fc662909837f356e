//! The countries of ISO 3166-1.

use crate::Refusal;

/// Alpha-2 codes, in order.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
    BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
    FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS \
    IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN \
    MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN \
    TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A country's two capital letters, or nothing. `UK`, which LiveKit takes as well, is one of them.
pub(super) fn check_country(field: &str, code: &str) -> Result<(), Refusal> {
    if code.is_empty() || code == "UK" || CODES.split_ascii_whitespace().any(|known| known == code) {
        return Ok(());
    }
    Err(Refusal::invalid(field, format!("{code:?} is not a country's two capital letters (ISO 3166-1), such as US")))
}

#[cfg(test)]
mod tests {
    use super::{CODES, check_country};

    #[test]
    fn countries_there_are_and_others() {
        assert_eq!(CODES.split_ascii_whitespace().count(), 249);
        for good in ["", "US", "DE", "UK", "ZW"] {
            check_country("f", good).unwrap();
        }
        for bad in ["us", "XX", "USA", "U", "US ", "AD AE", "EU"] {
            assert!(check_country("f", bad).is_err(), "{bad}");
        }
    }
}
