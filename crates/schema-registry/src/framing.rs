//! The wire format: which schema a value was written with, and where the value begins.

use std::fmt;

/// The name of a schema on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// The number that the registry gave it, in the value's first bytes (wire format V0).
    Id(u32),
    /// Its GUID, in a record header (wire format V1, Confluent Platform 8.0).
    Guid([u8; 16]),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Guid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// Why a value names no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFramed {
    /// The value is too short to name a schema.
    #[error("the value has {0} bytes; the wire format's prefix alone has 5")]
    TooShort(usize),
    /// The value starts with something else.
    #[error("the value starts with byte 0x{0:02x}; the wire format starts with 0x00")]
    OtherFirstByte(u8),
}

const MAGIC: u8 = 0;
/// First byte of a header that holds a GUID.
const MAGIC_GUID: u8 = 1;
const VALUE_SCHEMA_ID: &str = "__value_schema_id";

/// Splits a value into its schema's name and the bare Avro bytes: by the header if there is one, else by the prefix.
pub fn split<'v, 'h>(
    value: &'v [u8],
    headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> Result<(SchemaId, &'v [u8]), NotFramed> {
    if let Some(guid) = guid(headers) {
        return Ok((SchemaId::Guid(guid), value));
    }
    match value {
        [MAGIC, a, b, c, d, avro @ ..] => Ok((SchemaId::Id(u32::from_be_bytes([*a, *b, *c, *d])), avro)),
        [] | [MAGIC, ..] => Err(NotFramed::TooShort(value.len())),
        [other, ..] => Err(NotFramed::OtherFirstByte(*other)),
    }
}

fn guid<'h>(mut headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>) -> Option<[u8; 16]> {
    match headers.find(|(name, _)| *name == VALUE_SCHEMA_ID)?.1? {
        [MAGIC_GUID, guid @ ..] => guid.try_into().ok(),
        _ => None,
    }
}

/// Appends the prefix of a value that was written with schema `id`; the bare Avro bytes follow it.
pub fn frame(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::{NotFramed, SchemaId, frame, split};

    /// What is framed is split again, and a header wins over the prefix.
    #[test]
    fn both_wire_formats_are_read() {
        let mut value = Vec::new();
        frame(70_000, &mut value);
        value.push(0xaa);
        assert_eq!(split(&value, std::iter::empty()), Ok((SchemaId::Id(70_000), &[0xaa][..])));

        let header = [&[1][..], &[0xab; 16]].concat();
        let headers = [("other", None), ("__value_schema_id", Some(header.as_slice()))];
        assert_eq!(split(&[0xaa], headers.into_iter()), Ok((SchemaId::Guid([0xab; 16]), &[0xaa][..])));
        assert_eq!(SchemaId::Guid([0xab; 16]).to_string(), "abababab-abab-abab-abab-abababababab");
    }

    /// Values that name no schema say why.
    #[test]
    fn values_without_a_schema_are_refused() {
        for (value, reason) in [
            (&b""[..], NotFramed::TooShort(0)),
            (b"\0\0\0\0", NotFramed::TooShort(4)),
            (b"{\"a\":1}", NotFramed::OtherFirstByte(b'{')),
        ] {
            assert_eq!(split(value, std::iter::empty()), Err(reason));
        }
    }
}
