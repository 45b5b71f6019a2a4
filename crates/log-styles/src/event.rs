//! The fields of one event, as they were decoded.

use events::{Shape, Value};

/// One of our events with its fields, borrowed from its Avro bytes.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    shape: &'a Shape,
    values: &'a [Value<'a>],
}

impl<'a> Event<'a> {
    /// The event that [`Shape::decode`] has read into `values`.
    pub fn new(shape: &'a Shape, values: &'a [Value<'a>]) -> Self {
        Event { shape, values }
    }

    /// The event itself if it is a record of this name.
    pub(crate) fn named(self, name: &str) -> Option<Self> {
        (self.shape.name() == name).then_some(self)
    }

    pub(crate) fn text(self, field: &str) -> Option<&'a str> {
        match self.value(field)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn int(self, field: &str) -> Option<i32> {
        match self.value(field)? {
            Value::Int(int) => Some(int),
            _ => None,
        }
    }

    pub(crate) fn double(self, field: &str) -> Option<f64> {
        match self.value(field)? {
            Value::Double(double) => Some(double),
            _ => None,
        }
    }

    pub(crate) fn time_ms(self, field: &str) -> Option<i64> {
        match self.value(field)? {
            Value::Long(time_ms) => Some(time_ms),
            _ => None,
        }
    }

    /// The value of a field; `None` if the schema has no such field, or the record ended before it.
    pub(crate) fn value(self, field: &str) -> Option<Value<'a>> {
        self.values.get(self.shape.index_of(field)?).copied()
    }
}
