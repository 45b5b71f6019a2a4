//! Values as Python's `repr` and `str` write them.

use std::fmt::Write as _;

use events::Value;

/// A float: the shortest digits that give it back, with `.0` where it is whole.
pub(crate) fn float(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        // Both switch to an exponent at the same sizes; Python writes a sign and at least two digits.
        Some((digits, exponent)) => {
            let sign = if exponent.starts_with('-') { '-' } else { '+' };
            format!("{digits}e{sign}{:0>2}", exponent.trim_start_matches('-'))
        }
        None => text.replace("NaN", "nan"),
    }
}

/// A text in quotes: single ones, unless only these occur in it.
pub(crate) fn text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for symbol in text.chars() {
        match symbol {
            _ if symbol == quote || symbol == '\\' => written.extend(['\\', symbol]),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if symbol.is_control() => hexadecimal(&mut written, symbol as u32),
            _ => written.push(symbol),
        }
    }
    written.push(quote);
    written
}

/// Bytes, as `b'…'`; `None` as Python says it.
pub(crate) fn bytes(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "None".to_owned() };
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut written = format!("b{quote}");
    for byte in bytes {
        match byte {
            _ if char::from(*byte) == quote || *byte == b'\\' => {
                written.extend(['\\', char::from(*byte)]);
            }
            b'\n' => written.push_str("\\n"),
            b'\r' => written.push_str("\\r"),
            b'\t' => written.push_str("\\t"),
            b' '..=b'~' => written.push(char::from(*byte)),
            _ => hexadecimal(&mut written, (*byte).into()),
        }
    }
    written.push(quote);
    written
}

fn hexadecimal(written: &mut String, code: u32) {
    write!(written, "\\x{code:02x}").expect("writing to a string cannot fail");
}

/// A field's value.
pub(crate) fn value(value: Value<'_>) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Boolean(true) => "True".to_owned(),
        Value::Boolean(false) => "False".to_owned(),
        Value::Int(int) => int.to_string(),
        Value::Long(long) => long.to_string(),
        Value::Float(double) => float(double.into()),
        Value::Double(double) => float(double),
        Value::Bytes(raw) => bytes(Some(raw)),
        Value::String(string) => text(string),
    }
}

/// A dictionary of names and values that are written already.
pub(crate) fn dict<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let entries: Vec<String> =
        entries.into_iter().map(|(name, value)| format!("{}: {value}", text(name))).collect();
    format!("{{{}}}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers keep their `.0`; exponents have a sign and two digits, from the sizes on where Python has them.
    #[test]
    fn floats_are_pythons() {
        for (value, written) in [
            (31.0, "31.0"),
            (8.81, "8.81"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), written);
        }
    }

    /// The quotes are those that need no escape; what would disturb the line is escaped.
    #[test]
    fn texts_are_pythons() {
        for (value, written) in [
            ("Paris", "'Paris'"),
            ("L'Haÿ", "\"L'Haÿ\""),
            ("a'b\"c", r#"'a\'b"c'"#),
            ("a\\b\n\x1b", r"'a\\b\n\x1b'"),
            ("", "''"),
        ] {
            assert_eq!(text(value), written);
        }
        assert_eq!(bytes(Some("é'\t".as_bytes())), r#"b"\xc3\xa9'\t""#);
        assert_eq!(bytes(None), "None");
    }

    /// Every kind of value, in a dictionary.
    #[test]
    fn values_are_pythons() {
        let values =
            [Value::Null, Value::Boolean(true), Value::Int(-3), Value::Float(0.5), Value::Bytes(b"\xff")];
        let entries = ["a", "b", "c", "d", "température"].into_iter().zip(values.map(value));
        assert_eq!(dict(entries), r"{'a': None, 'b': True, 'c': -3, 'd': 0.5, 'température': b'\xff'}");
        assert_eq!(dict([]), "{}");
    }
}
