//! What a source would become, a line a record: for whoever writes a mapping, and for tests.

use std::{
    fmt::Write as _,
    io::{Cursor, ErrorKind, Read, Write},
    ops::ControlFlow,
    path::Path,
};

use chrono::DateTime;
use events::{Decimal, Field, Logical, Shape, Value};
use serde_json::Value as Json;
use service::{Error, clock};
use uuid::Uuid;

use crate::{
    feed::Input,
    file::{self, FileSource},
    http::Answer,
    mapping::{Mapped, Mapping, Refusal},
    position::HttpPosition,
    records::{Piece, ReadError, Records},
};

/// Hands a line for each record to `say`: its number, and the event, or why it is none.
///
/// `file_name` is that of a file, without its folder; an answer over HTTP has none.
///
/// # Errors
/// The source's, or that of `say`, in words.
pub fn preview<R: Read>(
    mapping: &Mapping,
    source: R,
    file_name: Option<&str>,
    mut say: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    let unreadable = |error: ReadError| error.to_string();
    let mut records = Records::new(mapping, source, 0, None).map_err(unreadable)?;
    let mut row = 0_u64;
    while let Some(piece) = records.next().map_err(unreadable)? {
        let event_id = piece.event_id(mapping, file_name.map(|name| (name, row)));
        say(&line(mapping, row, &piece, event_id))?;
        row += 1;
    }
    Ok(())
}

/// Prints what each record of the source would become; ends where the real run would end, and with the same error.
pub(crate) async fn show(mapping: &Mapping, input: &Input, out: &mut impl Write) -> Result<(), Error> {
    match input {
        Input::File(path) => show_file(mapping, path, out),
        Input::Http(address, _) => match address.ask(&HttpPosition::default(), clock::now_ms()).await {
            Ok(Answer::Document { body, .. }) => {
                show_answer(mapping, body, out, |what| address.failed(1, &what))
            }
            Ok(Answer::NotModified) => {
                Err(address.failed(1, "the answer to an unconditional question is `not modified`"))
            }
            Err(failure) => Err(address.failed(1, &failure.what)),
        },
    }
}

fn show_file(mapping: &Mapping, path: &Path, out: &mut impl Write) -> Result<(), Error> {
    let mut source = FileSource::open(path, mapping, None)?;
    let file_name = file::name(path);
    loop {
        let row = source.row();
        let next = source.next().map_err(|error| file::unreadable(path, row, &error))?;
        let Some((piece, row)) = next else { return Ok(()) };
        let event_id = piece.event_id(mapping, Some((&file_name, row)));
        if print(out, &line(mapping, row, &piece, event_id))?.is_break() {
            return Ok(());
        }
    }
}

fn show_answer(
    mapping: &Mapping,
    body: Vec<u8>,
    out: &mut impl Write,
    failed: impl Fn(String) -> Error,
) -> Result<(), Error> {
    let unreadable = |error: ReadError| failed(error.to_string());
    let mut records = Records::new(mapping, Cursor::new(body), 0, None).map_err(unreadable)?;
    let mut row = 0_u64;
    while let Some(piece) = records.next().map_err(unreadable)? {
        let event_id = piece.event_id(mapping, None);
        if print(out, &line(mapping, row, &piece, event_id))?.is_break() {
            return Ok(());
        }
        row += 1;
    }
    Ok(())
}

/// Prints a line, unless nobody reads any more: that is an end, and no failure.
fn print(out: &mut impl Write, line: &str) -> Result<ControlFlow<()>, Error> {
    match writeln!(out, "{line}") {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Error::failed(format!("stdout cannot be written: {error}"))),
    }
}

/// What a record would become.
fn line(mapping: &Mapping, row: u64, piece: &Piece<'_>, event_id: Uuid) -> String {
    let refused = |refusal: &Refusal| format!("{row} set aside {} {}", refusal.reason, refusal.message);
    match &piece.item {
        Err(refusal) => refused(refusal),
        Ok(item) => match mapping.map(item, event_id) {
            Mapped::Skipped => format!("{row} skipped"),
            Mapped::Refused(refusal) => refused(&refusal),
            Mapped::Event(event) => {
                format!("{row} sent key={} {}", event.key, shown(mapping.shape(), &event.avro))
            }
        },
    }
}

/// An event as JSON, its fields in their order.
fn shown(shape: &Shape, avro: &[u8]) -> String {
    let mut values = Vec::new();
    shape.decode(avro, &mut values).expect("the event was encoded by this shape");
    let mut text = String::new();
    for (field, value) in shape.fields().iter().zip(&values) {
        let part = if text.is_empty() { "{" } else { "," };
        write!(text, "{part}\"{}\":{}", field.name, json(field, value)).expect("a text takes all");
    }
    text + "}"
}

fn json(field: &Field, value: &Value<'_>) -> Json {
    match (*value, field.logical) {
        (Value::Long(ms), Some(Logical::TimestampMillis)) => match DateTime::from_timestamp_millis(ms) {
            Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string().into(),
            None => ms.into(),
        },
        (Value::Bytes(bytes), Some(Logical::Decimal { scale, .. })) => {
            Decimal::from_bytes(bytes, scale).map(|decimal| decimal.to_string()).into()
        }
        (Value::Bytes(bytes), _) => String::from_utf8_lossy(bytes).into_owned().into(),
        (Value::Null, _) => Json::Null,
        (Value::Boolean(boolean), _) => boolean.into(),
        (Value::Int(int), _) => int.into(),
        (Value::Long(long), _) => long.into(),
        (Value::Float(float), _) => float.into(),
        (Value::Double(double), _) => double.into(),
        (Value::String(text), _) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use super::*;

    const MAPPING: &str = r#"{ "name": "stations", "stream": "weather", "format": { "type": "csv" }, "fields": {
        "sensor_id": { "from": "id" }, "city": { "value": "Paris" }, "temperature_c": { "from": "t" },
        "observed_at": { "value": "0", "format": "unix" } } }"#;

    /// Takes one line, then fails.
    struct Pipe(Vec<u8>, ErrorKind);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.ends_with(b"\n") {
                return Err(self.1.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader who has seen enough ends it well; a file that the real run refuses is refused in its words.
    #[test]
    fn a_dry_run_ends_as_it_should() {
        let mapping = Mapping::parse(MAPPING).expect("a mapping");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stations.csv");
        fs::write(&path, "id,t\n1,2\n2,3\n3,4\n").expect("written");
        let mut pipe = Pipe(Vec::new(), ErrorKind::BrokenPipe);
        show_file(&mapping, &path, &mut pipe).expect("the end");
        let printed = String::from_utf8(pipe.0).expect("text");
        assert!(printed.starts_with("0 sent key=1 {") && printed.lines().count() == 1, "{printed}");
        let mut full = Pipe(Vec::new(), ErrorKind::StorageFull);
        let error = show_file(&mapping, &path, &mut full).expect_err("a full disk");
        assert!(matches!(&error, Error::Failed(_)), "{error}");

        fs::write(&path, "id,tt\n1,2\n").expect("written");
        for path in [path.as_path(), folder.path(), Path::new("/no/such.csv")] {
            let error = show_file(&mapping, path, &mut Vec::new()).expect_err("unfit");
            assert!(matches!(&error, Error::Config { .. }), "{error}");
            let real = FileSource::open(path, &mapping, None).expect_err("unfit");
            assert_eq!(error.to_string(), real.to_string());
        }
        let error = show_file(&mapping, &path, &mut Vec::new()).expect_err("no column").to_string();
        let what =
            "what mapping stations says (fields.temperature_c: there is no column `t`; did you mean `tt`?";
        assert!(error.contains("stations.csv") && error.contains(what), "{error}");
    }
}
