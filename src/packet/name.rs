//! Interface names: up to fifteen bytes, small enough to copy and to compare as one number.

use std::fmt;
use std::str::FromStr;

/// The name of a network interface: 1 to 15 bytes without white space or `/`, as the kernel's
/// `dev_valid_name` has it (net/core/dev.c).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName([u8; 16]);

impl InterfaceName {
    /// The loopback interface, which every namespace has.
    pub const LOOPBACK: Self = Self(*b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    /// The first Ethernet interface, under the kernel's old naming.
    pub const ETH0: Self = Self(*b"eth0\0\0\0\0\0\0\0\0\0\0\0\0");

    /// The name as the kernel keeps it: zero-filled to sixteen bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The name as one number, for comparing under a mask.
    #[must_use]
    pub fn number(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(16);
        std::str::from_utf8(&self.0[..end]).unwrap_or("?")
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// A text that can't name an interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can't name an interface; expected 1 to 15 characters without space, `/` or `:`")]
pub struct NotAnInterfaceName(String);

impl FromStr for InterfaceName {
    type Err = NotAnInterfaceName;

    fn from_str(text: &str) -> Result<Self, NotAnInterfaceName> {
        let bytes = text.as_bytes();
        let allowed = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b':' | 0);
        if bytes.is_empty()
            || bytes.len() > 15
            || text == "."
            || text == ".."
            || !bytes.iter().all(allowed)
        {
            return Err(NotAnInterfaceName(text.to_owned()));
        }
        let mut name = [0; 16];
        name[..bytes.len()].copy_from_slice(bytes);
        Ok(Self(name))
    }
}

impl schemars::JsonSchema for InterfaceName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InterfaceName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 15 })
    }
}

impl serde::Serialize for InterfaceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for InterfaceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
