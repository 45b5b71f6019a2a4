//! Encodes a record from one value a field, by a compiled [`Shape`]: the reverse of its decoding.

use crate::{Field, Kind, Shape, Value, encode};

/// Why values are not those of the shape.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncodeError {
    /// There are more or fewer values than fields.
    #[error("{given} values are given, and the record has {fields} fields")]
    Count {
        /// How many values there are.
        given: usize,
        /// How many fields there are.
        fields: usize,
    },
    /// A value is not of its field's type.
    #[error("field `{field}` is {kind:?}, and its value is not")]
    Kind {
        /// The field.
        field: String,
        /// Its type.
        kind: Kind,
    },
}

impl Shape {
    /// Appends a bare Avro record of `values`, one a field, in the order of [`Shape::fields`].
    ///
    /// After an error `out` holds a part of the record.
    pub fn encode(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let fields = self.fields();
        if values.len() != fields.len() {
            return Err(EncodeError::Count { given: values.len(), fields: fields.len() });
        }
        for (field, value) in fields.iter().zip(values) {
            if !encode_field(field, value, out) {
                return Err(EncodeError::Kind { field: field.name.clone(), kind: field.kind });
            }
        }
        Ok(())
    }
}

/// Whether the value is of the field's type.
fn encode_field(field: &Field, value: &Value<'_>, out: &mut Vec<u8>) -> bool {
    match (field.null_branch, value) {
        (None, Value::Null) => return false,
        (Some(branch), Value::Null) => {
            encode::long(branch as i64, out);
            return true;
        }
        (Some(branch), _) => encode::long(1 - branch as i64, out),
        (None, _) => {}
    }
    match (field.kind, value) {
        (Kind::Boolean, Value::Boolean(boolean)) => encode::boolean(*boolean, out),
        (Kind::Int, Value::Int(int)) => encode::long(i64::from(*int), out),
        (Kind::Long, Value::Long(long)) => encode::long(*long, out),
        (Kind::Float, Value::Float(float)) => out.extend_from_slice(&float.to_le_bytes()),
        (Kind::Double, Value::Double(double)) => encode::double(*double, out),
        (Kind::Bytes, Value::Bytes(bytes)) => encode::bytes(bytes, out),
        (Kind::String, Value::String(text)) => encode::bytes(text.as_bytes(), out),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "type": "record", "name": "R", "fields": [
        { "name": "a", "type": "int" },
        { "name": "b", "type": ["null", "double"] },
        { "name": "c", "type": ["string", "null"] },
        { "name": "d", "type": "boolean" },
        { "name": "e", "type": "bytes" },
        { "name": "f", "type": "float" },
        { "name": "g", "type": "long" }
    ] }"#;

    fn values<'v>(b: Value<'v>, c: Value<'v>) -> [Value<'v>; 7] {
        let (d, e) = (Value::Boolean(true), Value::Bytes(&[1, 0xff]));
        [Value::Int(-7), b, c, d, e, Value::Float(1.5), Value::Long(i64::MIN)]
    }

    /// What is encoded decodes to the same, with null in either branch.
    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let shape = Shape::parse(SCHEMA).expect("a shape");
        for given in [values(Value::Null, Value::String("né")), values(Value::Double(8.1), Value::Null)] {
            let (mut bytes, mut read) = (Vec::new(), Vec::new());
            shape.encode(&given, &mut bytes).expect("encodes");
            shape.decode(&bytes, &mut read).expect("decodes");
            assert_eq!(read, given);
        }
    }

    /// Values of another type, a null where there is none, and a wrong number of values are refused by name.
    #[test]
    fn other_values_are_refused() {
        let shape = Shape::parse(SCHEMA).expect("a shape");
        let refused =
            |given: &[Value<'_>]| shape.encode(given, &mut Vec::new()).expect_err("refused").to_string();
        let mut given = values(Value::Null, Value::Null);
        given[0] = Value::Null;
        assert_eq!(refused(&given), "field `a` is Int, and its value is not");
        assert_eq!(refused(&values(Value::Int(1), Value::Null)), "field `b` is Double, and its value is not");
        assert_eq!(refused(&given[..3]), "3 values are given, and the record has 7 fields");
    }
}
