//! The hash that chains the journal's records.

use std::fmt;
use std::str::FromStr;

/// The hash of one record: 32 bytes, written as 64 hex digits. The default, all zeros, stands before the first record.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventHash(pub [u8; 32]);

/// What [`EventHash::from_str`] says of other text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHash;

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hash is 64 hex digits")
    }
}

impl std::error::Error for InvalidHash {}

impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.as_bytes().chunks_exact(2);
        let mut hash = [0; 32];
        if text.len() != 2 * hash.len() {
            return Err(InvalidHash);
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return Err(InvalidHash) };
            *byte = high << 4 | low;
        }
        Ok(Self(hash))
    }
}

impl TryFrom<String> for EventHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl From<EventHash> for String {
    fn from(hash: EventHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_and_nothing_else_does() {
        let mut hash = EventHash::default();
        hash.0[0] = 0xab;
        hash.0[31] = 0x05;
        let text = hash.to_string();
        assert_eq!((text.len(), &text[..4], &text[60..]), (64, "ab00", "0005"));
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        for wrong in [
            "",
            "ab",
            &text[1..],
            &format!("{text}0"),
            &format!("+{}", &text[1..]),
            &format!("é{}", &text[2..]),
        ] {
            assert_eq!(wrong.parse::<EventHash>(), Err(InvalidHash), "{wrong}");
        }
    }
}
