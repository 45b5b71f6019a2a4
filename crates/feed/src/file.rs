//! A file as a source: opened where it was left, and recognised by its beginning.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::Path,
};

use service::Error;
use uuid::Uuid;

use crate::{
    mapping::{Format, Mapping},
    position::FilePosition,
    records::{Piece, ReadError, Records},
};

/// Bytes of the beginning by which a file is recognised.
const HEAD_BYTES_MAX: u64 = 4_096;

/// An open file and how far it has been read.
#[derive(Debug)]
pub(crate) struct FileSource {
    records: Records<File>,
    position: FilePosition,
    bytes: u64,
}

impl FileSource {
    /// Opens the file where it was left; a file that is not the one that was read is refused.
    pub(crate) fn open(path: &Path, mapping: &Mapping, last: Option<FilePosition>) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let unreadable =
            |error: io::Error| Error::config("--file", &shown, format!("a readable file ({error})"));
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(Error::config("--file", &shown, "a file, and no folder or device"));
        }
        let bytes = metadata.len();
        let head_bytes = last.as_ref().map_or(bytes.min(HEAD_BYTES_MAX), |last| last.head_bytes);
        let head = head(&mut file, head_bytes).map_err(unreadable)?;
        let position = match last {
            None => FilePosition { byte: 0, row: 0, head_bytes, head },
            Some(last) if last.head == head && last.byte <= bytes => last,
            Some(last) => {
                let row = last.row;
                return Err(Error::config(
                    "--file",
                    shown,
                    format!(
                        "the file that was read up to row {row}, and this is another one of the same name; \
                         --start-over sends it from its beginning"
                    ),
                ));
            }
        };
        let records = records(file, mapping, &position)
            .map_err(|error| Error::config("--file", shown, format!("what the mapping says ({error})")))?;
        Ok(Self { records, position, bytes })
    }

    /// The next record with its number, from 0; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Piece<'_>, u64)>, ReadError> {
        let row = self.position.row;
        let Some(piece) = self.records.next()? else { return Ok(None) };
        self.position.row += 1;
        self.position.byte = piece.next_byte;
        Ok(Some((piece, row)))
    }

    /// Where the next record begins.
    pub(crate) fn position(&self) -> &FilePosition {
        &self.position
    }

    /// How much of the file is done, in hundredths.
    pub(crate) fn percent(&self) -> u64 {
        self.position.byte.saturating_mul(100) / self.bytes.max(1)
    }
}

/// The file's own name: with it and its number, a record without an identity is told from others.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The bytes that stand for a record without an identity.
pub(crate) fn place(file_name: &str, row: u64, raw: &[u8]) -> Vec<u8> {
    [format!("{file_name}\u{1f}{row}\u{1f}").as_bytes(), raw].concat()
}

/// The records from a position on.
fn records(mut file: File, mapping: &Mapping, position: &FilePosition) -> Result<Records<File>, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    match &mapping.format {
        Format::Csv { columns: None, .. } if position.byte > 0 => {
            let heading = Records::new(mapping, file.try_clone()?, 0, None)?;
            let columns = heading.columns().cloned();
            file.seek(SeekFrom::Start(position.byte))?;
            Records::new(mapping, file, position.byte, columns)
        }
        Format::Csv { .. } | Format::JsonLines => {
            file.seek(SeekFrom::Start(position.byte))?;
            Records::new(mapping, file, position.byte, None)
        }
        Format::Json { .. } => {
            let mut records = Records::new(mapping, file, 0, None)?;
            for _ in 0..position.row {
                records.next()?;
            }
            Ok(records)
        }
    }
}

/// Fingerprint of the first bytes.
fn head(file: &mut File, bytes: u64) -> io::Result<Uuid> {
    let mut head = Vec::new();
    file.by_ref().take(bytes).read_to_end(&mut head)?;
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
                let position = source.position().clone();
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
        let position = source.position().clone();

        fs::write(&path, "1\n2\n3\n").expect("written");
        let mut source = FileSource::open(&path, &mapping, Some(position.clone())).expect("opens");
        assert_eq!(raws(&mut source, 9), ["3"]);

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
