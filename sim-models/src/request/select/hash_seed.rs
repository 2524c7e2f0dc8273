//! With which seeds do the nodes of a cluster hash?

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The seed of all of Maglev's hashes, one for the whole cluster.
///
/// Written as base64 of exactly 12 bytes, which are read as three big-endian words.
///
/// Default: "JLfvgnHc2kaSUFaI".
/// Source: Cilium option `bpf-lb-maglev-hash-seed`; `pkg/maglev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashSeed([u8; Self::BYTES]);

/// Why a text is not a hash seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashSeedError {
    /// Not base64.
    #[error("{found:?} is not base64: expected 12 bytes in base64, as in \"JLfvgnHc2kaSUFaI\"")]
    Base64 {
        /// The text.
        found: String,
    },
    /// Of another length.
    #[error(
        "{found:?} holds {bytes} bytes: expected 12 bytes in base64, as in \"JLfvgnHc2kaSUFaI\""
    )]
    Length {
        /// The text.
        found: String,
        /// Bytes that it holds.
        bytes: usize,
    },
}

impl HashSeed {
    /// Length of a seed in bytes.
    pub const BYTES: usize = 12;

    /// The default of Cilium: "JLfvgnHc2kaSUFaI".
    pub const DEFAULT: Self = Self([
        0x24, 0xb7, 0xef, 0x82, 0x71, 0xdc, 0xda, 0x46, 0x92, 0x50, 0x56, 0x88,
    ]);

    /// Seed of the hash that orders a backend's slots in a table.
    pub fn table(self) -> u32 {
        self.word(0)
    }

    /// Seed of the datapath's hash of an IPv4 connection.
    pub fn lookup_v4(self) -> u32 {
        self.word(1)
    }

    /// Seed of the datapath's hash of an IPv6 connection.
    pub fn lookup_v6(self) -> u32 {
        self.word(2)
    }

    fn word(self, nth: usize) -> u32 {
        let word = &self.0[4 * nth..4 * nth + 4];
        word.iter()
            .fold(0, |word, &byte| (word << 8) | u32::from(byte))
    }
}

impl Default for HashSeed {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for HashSeed {
    type Err = HashSeedError;

    fn from_str(text: &str) -> Result<Self, HashSeedError> {
        let found = || text.to_owned();
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| HashSeedError::Base64 { found: found() })?;
        let length = |bytes: Vec<u8>| HashSeedError::Length {
            found: found(),
            bytes: bytes.len(),
        };
        bytes.try_into().map(Self).map_err(length)
    }
}

impl fmt::Display for HashSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl TryFrom<String> for HashSeed {
    type Error = HashSeedError;

    fn try_from(text: String) -> Result<Self, HashSeedError> {
        text.parse()
    }
}

impl From<HashSeed> for String {
    fn from(seed: HashSeed) -> Self {
        seed.to_string()
    }
}

impl schemars::JsonSchema for HashSeed {
    fn schema_name() -> Cow<'static, str> {
        "HashSeed".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["JLfvgnHc2kaSUFaI"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_seed_holds_the_words_of_cilium() {
        // 24b7ef82 71dcda46 92505688 in decimal.
        let seed: HashSeed = "JLfvgnHc2kaSUFaI".parse().expect("the default");
        assert_eq!(seed, HashSeed::default());
        assert_eq!(seed.to_string(), "JLfvgnHc2kaSUFaI");
        let words = [seed.table(), seed.lookup_v4(), seed.lookup_v6()];
        assert_eq!(words, [616_034_178, 1_910_299_206, 2_454_738_568]);
    }

    #[test]
    fn a_text_that_is_not_twelve_bytes_says_how_many_it_holds() {
        // Four characters are three bytes.
        let error = "JLfv".parse::<HashSeed>().expect_err("too short");
        assert!(error.to_string().contains("holds 3 bytes"), "{error}");
        let error = "JLfvgnHc2kaSUFaIJLfv"
            .parse::<HashSeed>()
            .expect_err("too long");
        assert!(error.to_string().contains("holds 15 bytes"), "{error}");
        for not_base64 in ["", "not base64!", "JLfvgnHc2kaSUFa"] {
            assert!(not_base64.parse::<HashSeed>().is_err(), "{not_base64:?}");
        }
    }
}
