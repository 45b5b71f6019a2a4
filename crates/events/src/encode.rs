//! Writes Avro's binary form of the field types that our events use (Avro specification 1.12, "Binary Encoding").

use uuid::Uuid;

/// Appends a `long` (and `int`, which has the same form): zigzag, then seven bits a byte, lowest first.
pub(crate) fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends `bytes` or a `string`: length, then content.
pub(crate) fn bytes(value: &[u8], out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value);
}

/// Appends a UUID in its textual form.
pub(crate) fn uuid(value: Uuid, out: &mut Vec<u8>) {
    let mut text = Uuid::encode_buffer();
    bytes(value.hyphenated().encode_lower(&mut text).as_bytes(), out);
}

/// Appends a `double`: eight bytes, lowest first.
pub(crate) fn double(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a `boolean`.
pub(crate) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.push(u8::from(value));
}

/// Appends a decimal as the shortest big-endian two's complement of its unscaled integer.
pub(crate) fn decimal(unscaled: i64, out: &mut Vec<u8>) {
    let all = unscaled.to_be_bytes();
    let sign = if unscaled < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < 7 && all[start] == sign && (all[start + 1] ^ sign) & 0x80 == 0 {
        start += 1;
    }
    bytes(&all[start..], out);
}

/// Appends a union of `null` and another type, in this order, by the way that type is written.
pub(crate) fn optional<T>(value: Option<T>, write: impl FnOnce(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    match value {
        None => long(0, out),
        Some(value) => {
            long(1, out);
            write(value, out);
        }
    }
}
