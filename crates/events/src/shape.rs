//! A flat record schema compiled for decoding.

use apache_avro::{Schema, schema::RecordSchema};

/// A flat record schema: the names, types and order of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    name: String,
    fields: Vec<Field>,
}

/// One field of a [`Shape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// Its type on the wire.
    pub kind: Kind,
    /// Where `null` stands in the field's union, if it is one; `None` for a field that is always there.
    pub null_branch: Option<usize>,
    /// What the value means, if the schema says more than its type.
    pub logical: Option<Logical>,
}

/// A primitive type on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Avro's own")]
pub enum Kind {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// A logical type that rules and columns know (Avro specification 1.12, "Logical Types").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    /// Unscaled big-endian integer with `scale` digits after the point.
    Decimal {
        /// Digits in all.
        precision: u32,
        /// Digits after the point.
        scale: u32,
    },
    /// Days since 1970.
    Date,
    /// Milliseconds since midnight.
    TimeMillis,
    /// Milliseconds since 1970 UTC.
    TimestampMillis,
    /// Microseconds since 1970 UTC.
    TimestampMicros,
    /// A UUID in its textual form.
    Uuid,
}

/// Why a schema cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// The text is no Avro schema.
    #[error("the schema cannot be parsed")]
    Unparsable(#[from] Box<apache_avro::Error>),
    /// The schema is not a record.
    #[error("the schema is a {0}, not a record")]
    NotARecord(String),
    /// A field has a type that has no place in a table's row.
    #[error(
        "field `{field}` of {record} is {found}; only primitive types and their optional forms fit a table"
    )]
    NotFlat {
        /// Full name of the record.
        record: String,
        /// The field.
        field: String,
        /// Its type.
        found: String,
    },
}

impl Shape {
    /// Compiles an Avro record schema given as JSON.
    pub fn parse(schema_json: &str) -> Result<Self, ShapeError> {
        match Schema::parse_str(schema_json).map_err(Box::new)? {
            Schema::Record(record) => Self::compile(&record),
            other => Err(ShapeError::NotARecord(type_name(&other))),
        }
    }

    /// The same record with other fields, as a transform leaves it.
    #[must_use]
    pub fn with_fields(&self, fields: Vec<Field>) -> Self {
        Self { name: self.name.clone(), fields }
    }

    /// The record's full name, such as `turnpike.TollPassage`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields in the order of the wire.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The position of a field by its name.
    pub fn index_of(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|candidate| candidate.name == field)
    }

    fn compile(record: &RecordSchema) -> Result<Self, ShapeError> {
        let name = record.name.fullname(None);
        let fields = record.fields.iter().map(|field| {
            compile_field(&field.name, &field.schema).ok_or_else(|| ShapeError::NotFlat {
                record: name.clone(),
                field: field.name.clone(),
                found: type_name(&field.schema),
            })
        });
        Ok(Self { fields: fields.collect::<Result<_, _>>()?, name })
    }
}

fn compile_field(name: &str, schema: &Schema) -> Option<Field> {
    let (schema, null_branch) = match schema {
        Schema::Union(union) => match union.variants() {
            [Schema::Null, other] => (other, Some(0)),
            [other, Schema::Null] => (other, Some(1)),
            _ => return None,
        },
        other => (other, None),
    };
    let (kind, logical) = compile_type(schema)?;
    Some(Field { name: name.to_owned(), kind, null_branch, logical })
}

fn compile_type(schema: &Schema) -> Option<(Kind, Option<Logical>)> {
    Some(match schema {
        Schema::Boolean => (Kind::Boolean, None),
        Schema::Int => (Kind::Int, None),
        Schema::Long => (Kind::Long, None),
        Schema::Float => (Kind::Float, None),
        Schema::Double => (Kind::Double, None),
        Schema::Bytes => (Kind::Bytes, None),
        Schema::String => (Kind::String, None),
        Schema::Uuid(apache_avro::schema::UuidSchema::String) => (Kind::String, Some(Logical::Uuid)),
        Schema::Date => (Kind::Int, Some(Logical::Date)),
        Schema::TimeMillis => (Kind::Int, Some(Logical::TimeMillis)),
        Schema::TimestampMillis => (Kind::Long, Some(Logical::TimestampMillis)),
        Schema::TimestampMicros => (Kind::Long, Some(Logical::TimestampMicros)),
        Schema::Decimal(decimal)
            if matches!(decimal.inner, apache_avro::schema::InnerDecimalSchema::Bytes) =>
        {
            let logical =
                Logical::Decimal { precision: decimal.precision as u32, scale: decimal.scale as u32 };
            (Kind::Bytes, Some(logical))
        }
        _ => return None,
    })
}

fn type_name(schema: &Schema) -> String {
    format!("a {:?}", apache_avro::schema::SchemaKind::from(schema)).to_lowercase()
}
