//! A file as a source: opened where it was left, and recognised by its beginning.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::Path,
};

use service::Error;
use uuid::Uuid;

use crate::{
    mapping::{Format, Mapping},
    position::FilePosition,
    records::{Piece, ReadError, Records},
};

/// Most bytes of the beginning by which a file is recognised.
const HEAD_BYTES_MAX: u64 = 4_096;

/// An open file and how far it has been read.
#[derive(Debug)]
pub(crate) struct FileSource {
    records: Records<File>,
    /// The same file, for its beginning.
    file: File,
    /// Where the next record begins.
    byte: u64,
    /// How many records lie before it.
    row: u64,
    bytes: u64,
}

impl FileSource {
    /// Opens the file where it was left; a file that is not the one that was read is refused.
    pub(crate) fn open(path: &Path, mapping: &Mapping, last: Option<FilePosition>) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let unreadable =
            |error: io::Error| Error::config("--file", &shown, format!("a readable file ({error})"));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(Error::config("--file", &shown, "a file, and no folder or device"));
        }
        let bytes = metadata.len();
        let (byte, row) = last.as_ref().map_or((0, 0), |last| (last.byte, last.row));
        if let Some(last) = last {
            let may_be = last.byte <= bytes && last.head_bytes <= bytes.min(HEAD_BYTES_MAX);
            if !may_be || head(&file, last.head_bytes).map_err(unreadable)? != last.head {
                return Err(Error::config(
                    "--file",
                    shown,
                    format!(
                        "the file that was read up to row {row}, and this is another one of the same name; \
                         --start-over sends it from its beginning"
                    ),
                ));
            }
        }
        let records = file.try_clone().map_err(ReadError::from);
        let records = records.and_then(|file| records_from(file, mapping, byte, row)).map_err(|error| {
            let allowed = format!("what mapping {} says ({error})", mapping.name);
            Error::config("--file", shown, allowed)
        })?;
        Ok(Self { records, file, byte, row, bytes })
    }

    /// The next record with its number, from 0; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Piece<'_>, u64)>, ReadError> {
        let row = self.row;
        let Some(piece) = self.records.next()? else { return Ok(None) };
        self.row += 1;
        self.byte = piece.next_byte;
        Ok(Some((piece, row)))
    }

    /// The number of the next record.
    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    /// Where the next record begins, with a fingerprint of what lies before it: a file that is left while it is short
    /// is recognised by more later.
    pub(crate) fn position(&self) -> io::Result<FilePosition> {
        let head_bytes = self.byte.min(HEAD_BYTES_MAX);
        let head = head(&self.file, head_bytes)?;
        Ok(FilePosition { byte: self.byte, row: self.row, head_bytes, head })
    }

    /// How much of the file is done, in hundredths.
    pub(crate) fn percent(&self) -> u64 {
        self.byte.saturating_mul(100) / self.bytes.max(1)
    }
}

/// The file's own name: with it and its number, a record without an identity is told from others.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file that cannot be read to its end.
pub(crate) fn unreadable(path: &Path, row: u64, error: &ReadError) -> Error {
    Error::failed(format!("cannot read {} on after row {row}: {error}", path.display()))
}

/// The records from a position on.
fn records_from(mut file: File, mapping: &Mapping, byte: u64, row: u64) -> Result<Records<File>, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    match &mapping.format {
        Format::Csv { columns: None, .. } if byte > 0 => {
            let heading = Records::new(mapping, file.try_clone()?, 0, None)?;
            let columns = heading.columns().cloned();
            file.seek(SeekFrom::Start(byte))?;
            Records::new(mapping, file, byte, columns)
        }
        Format::Csv { .. } | Format::JsonLines => {
            file.seek(SeekFrom::Start(byte))?;
            Records::new(mapping, file, byte, None)
        }
        Format::Json { .. } => {
            let mut records = Records::new(mapping, file, 0, None)?;
            for _ in 0..row {
                records.next()?;
            }
            Ok(records)
        }
    }
}

/// Fingerprint of the first bytes.
fn head(file: &File, bytes: u64) -> io::Result<Uuid> {
    let mut head = vec![0; bytes as usize];
    file.read_exact_at(&mut head, 0)?;
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &head))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn mapping(format: &str) -> Mapping {
        let place = if format.contains("json") { "/n" } else { "n" };
        let text = format!(
            r#"{{ "name": "t", "stream": "weather", "format": {format}, "fields": {{
                "sensor_id": {{ "from": "{place}" }}, "city": {{ "value": "Paris" }},
                "temperature_c": {{ "value": 1 }}, "observed_at": {{ "value": "0", "format": "unix" }} }} }}"#
        );
        Mapping::parse(&text).expect("a mapping")
    }

    fn raws(source: &mut FileSource, count: usize) -> Vec<String> {
        let mut raws = Vec::new();
        while raws.len() < count
            && let Some((piece, _)) = source.next().expect("readable")
        {
            raws.push(String::from_utf8_lossy(piece.raw).into_owned());
        }
        raws
    }

    /// A file on disk that goes with the test.
    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("source");
        fs::write(&path, content).expect("written");
        (folder, path)
    }

    /// In each format, what was read and what is read later are the whole, each record once, with its number.
    #[test]
    fn reading_goes_on_where_it_was_left() {
        for (format, content, expected) in [
            (r#"{"type":"csv"}"#, "n;m\n1;a\n2;b\n3;c".replace(';', ","), ["1,a", "2,b", "3,c"]),
            (r#"{"type":"csv","columns":["n"]}"#, "1\r\n2\r\n3\r\n".to_owned(), ["1", "2", "3"]),
            (r#"{"type":"jsonl"}"#, "{\"n\":1}\n2\n[]".to_owned(), ["{\"n\":1}", "2", "[]"]),
            (r#"{"type":"json","records":"/r"}"#, "{\"r\":[1, 2 ,3]}".to_owned(), ["1", "2", "3"]),
        ] {
            let (_folder, path) = file(&content);
            let mapping = mapping(format);
            for first in 0..=3 {
                let mut source = FileSource::open(&path, &mapping, None).expect("opens");
                let mut all = raws(&mut source, first);
                let position = source.position().expect("readable");
                assert_eq!(position.row, first as u64);
                let mut source = FileSource::open(&path, &mapping, Some(position)).expect("opens");
                all.extend(raws(&mut source, 9));
                assert_eq!(all, expected, "{format} from {first}");
                assert!(source.percent() > 0);
            }
        }
    }

    /// A file may grow; one with another beginning, or a shorter one, is not the file that was read.
    #[test]
    fn a_replaced_file_is_noticed() {
        let mapping = mapping(r#"{"type":"csv","columns":["n"]}"#);
        let (_folder, path) = file("1\n2\n");
        let mut source = FileSource::open(&path, &mapping, None).expect("opens");
        raws(&mut source, 2);
        let position = source.position().expect("readable");

        fs::write(&path, "1\n2\n3\n").expect("written");
        let mut source = FileSource::open(&path, &mapping, Some(position.clone())).expect("opens");
        assert_eq!(raws(&mut source, 9), ["3"]);
        let later = source.position().expect("readable");
        fs::write(&path, "1\n2\n4\n5\n").expect("written");
        assert!(
            FileSource::open(&path, &mapping, Some(later)).is_err(),
            "it has grown, and then began otherwise"
        );

        for other in ["9\n2\n3\n", "1\n", ""] {
            fs::write(&path, other).expect("written");
            let error = FileSource::open(&path, &mapping, Some(position.clone())).expect_err("another file");
            assert!(error.to_string().contains("read up to row 2, and this is another one"), "{error}");
        }
    }

    /// What cannot be read, and a table without the columns that are needed, is refused with what is wrong.
    #[test]
    fn unfit_files_are_refused() {
        let mapping = mapping(r#"{"type":"csv"}"#);
        let (folder, path) = file("nn,m\n1,2\n");
        let error = FileSource::open(&path, &mapping, None).expect_err("no column").to_string();
        assert!(
            error.contains("there is no column `n`; did you mean `nn`?; the columns are nn, m"),
            "{error}"
        );
        let error = FileSource::open(folder.path(), &mapping, None).expect_err("a folder").to_string();
        assert!(error.contains("a file, and no folder"), "{error}");
        let error =
            FileSource::open(&folder.path().join("none"), &mapping, None).expect_err("none").to_string();
        assert!(error.contains("a readable file (No such file"), "{error}");
    }
}
