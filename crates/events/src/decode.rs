//! Decodes a record straight from its bytes, by a compiled [`Shape`] (Avro specification 1.12, "Binary Encoding").

use crate::{Field, Kind, Shape, Value};

/// Why the bytes are not a record of the shape; `field` is where it went wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the record ends inside field `{field}`, after {length} bytes")]
    Truncated {
        /// The field that is cut.
        field: String,
        /// Length of the record.
        length: usize,
    },
    /// A field's bytes cannot be what the schema says.
    #[error("field `{field}` cannot be decoded: {what}")]
    Malformed {
        /// The field.
        field: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The record is complete, and more bytes follow.
    #[error("{count} bytes follow after the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// What can be wrong with one field, before its name is known.
enum Fault {
    Truncated,
    Malformed(&'static str),
}

impl Shape {
    /// Decodes a bare Avro record into one value a field, in the order of [`Shape::fields`].
    ///
    /// `values` is cleared first; its memory is reused from record to record. Every byte must belong to the record.
    pub fn decode<'b>(&self, bytes: &'b [u8], values: &mut Vec<Value<'b>>) -> Result<(), DecodeError> {
        values.clear();
        let mut rest = bytes;
        for field in self.fields() {
            let value = decode_field(field, &mut rest).map_err(|fault| match fault {
                Fault::Truncated => DecodeError::Truncated { field: field.name.clone(), length: bytes.len() },
                Fault::Malformed(what) => DecodeError::Malformed { field: field.name.clone(), what },
            })?;
            values.push(value);
        }
        if rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes { count: rest.len() }) }
    }
}

fn decode_field<'b>(field: &Field, rest: &mut &'b [u8]) -> Result<Value<'b>, Fault> {
    if let Some(null_branch) = field.null_branch {
        match long(rest)? {
            branch if branch == null_branch as i64 => return Ok(Value::Null),
            0 | 1 => {}
            _ => return Err(Fault::Malformed("the union has no such branch")),
        }
    }
    Ok(match field.kind {
        Kind::Boolean => match take(1, rest)? {
            [0] => Value::Boolean(false),
            [1] => Value::Boolean(true),
            _ => return Err(Fault::Malformed("a boolean is 0 or 1")),
        },
        Kind::Int => match i32::try_from(long(rest)?) {
            Ok(int) => Value::Int(int),
            Err(_) => return Err(Fault::Malformed("an int has 32 bits")),
        },
        Kind::Long => Value::Long(long(rest)?),
        Kind::Float => Value::Float(f32::from_le_bytes(array(rest)?)),
        Kind::Double => Value::Double(f64::from_le_bytes(array(rest)?)),
        Kind::Bytes => Value::Bytes(bytes(rest)?),
        Kind::String => match std::str::from_utf8(bytes(rest)?) {
            Ok(text) => Value::String(text),
            Err(_) => return Err(Fault::Malformed("the string is not UTF-8")),
        },
    })
}

fn take<'b>(count: usize, rest: &mut &'b [u8]) -> Result<&'b [u8], Fault> {
    let (taken, after) = rest.split_at_checked(count).ok_or(Fault::Truncated)?;
    *rest = after;
    Ok(taken)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (taken, after) = rest.split_first_chunk().ok_or(Fault::Truncated)?;
    *rest = after;
    Ok(*taken)
}

fn bytes<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Fault> {
    match usize::try_from(long(rest)?) {
        Ok(length) => take(length, rest),
        Err(_) => Err(Fault::Malformed("its length is negative")),
    }
}

fn long(rest: &mut &[u8]) -> Result<i64, Fault> {
    // Lengths, branches and small numbers have one byte.
    if let [byte @ 0..0x80, after @ ..] = *rest {
        *rest = after;
        return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
    }
    longer(rest)
}

fn longer(rest: &mut &[u8]) -> Result<i64, Fault> {
    let mut zigzag = 0_u64;
    for (index, byte) in rest.iter().enumerate() {
        // The tenth byte holds the 64th bit alone; more would be cut off unseen.
        if index == 9 && *byte > 1 {
            return Err(Fault::Malformed("the integer has more than 64 bits"));
        }
        zigzag |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    Err(Fault::Truncated)
}
