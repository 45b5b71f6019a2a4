//! One JSON document that holds all records.

use std::{collections::BTreeMap, ops::Range};

use serde_json::value::RawValue;

use super::{Piece, RECORD_BYTES_MAX, ReadError, beginning, json_item};

/// The records of a document.
#[derive(Debug)]
pub(crate) struct Document {
    body: Vec<u8>,
    /// Where each record stands in the body.
    records: Vec<Range<usize>>,
    next: usize,
}

impl Document {
    /// Finds the records: the elements of the list at `pointer`, or the one object there.
    pub(super) fn parse(body: Vec<u8>, pointer: &str) -> Result<Self, ReadError> {
        let not_this = |what: String| ReadError::NotThis(format!("{what}; {}", beginning(&body)));
        let text = std::str::from_utf8(&body).map_err(|_| not_this("it is not UTF-8".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}');
        let whole: &RawValue =
            serde_json::from_str(text).map_err(|error| not_this(format!("it is no JSON ({error})")))?;
        let found = descend(whole, pointer).ok_or_else(|| {
            not_this(format!("there is nothing at `{pointer}`, where the records should be"))
        })?;
        let records: Vec<&RawValue> = match found.get().as_bytes().first() {
            Some(b'[') => serde_json::from_str(found.get()).unwrap_or_default(),
            Some(b'{') => vec![found],
            _ => return Err(not_this(format!("at `{pointer}` there is neither a list nor an object"))),
        };
        let range = |record: &RawValue| {
            let begin = record.get().as_ptr() as usize - body.as_ptr() as usize;
            begin..begin + record.get().len()
        };
        let records: Vec<_> = records.into_iter().map(range).collect();
        if let Some(large) = records.iter().find(|range| range.len() > RECORD_BYTES_MAX) {
            return Err(ReadError::RecordTooLarge(large.start as u64));
        }
        Ok(Self { body, records, next: 0 })
    }

    pub(super) fn next(&mut self) -> Option<Piece<'_>> {
        let range = self.records.get(self.next)?.clone();
        self.next += 1;
        let next_byte = range.end as u64;
        let raw = &self.body[range];
        Some(Piece { raw, item: json_item(raw), next_byte })
    }
}

/// The value at a JSON pointer (RFC 6901).
fn descend<'t>(whole: &'t RawValue, pointer: &str) -> Option<&'t RawValue> {
    let mut at = whole;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        at = match at.get().as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(at.get()).ok()?.remove(&name)?,
            b'[' => {
                *serde_json::from_str::<Vec<&RawValue>>(at.get()).ok()?.get(name.parse::<usize>().ok()?)?
            }
            _ => return None,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raws(body: &str, pointer: &str) -> Result<Vec<String>, String> {
        let mut document =
            Document::parse(body.as_bytes().to_vec(), pointer).map_err(|error| error.to_string())?;
        let mut raws = Vec::new();
        while let Some(piece) = document.next() {
            raws.push(String::from_utf8_lossy(piece.raw).into_owned());
        }
        Ok(raws)
    }

    /// Records keep their bytes, also their white space; a lone object is one record.
    #[test]
    fn records_are_found_by_pointer() {
        let body = "\u{feff}{ \"a/b\": { \"list\": [ { \"x\" : 1.50 }, null, 3 ] }, \"none\": [] }";
        assert_eq!(
            raws(body, "/a~1b/list"),
            Ok(["{ \"x\" : 1.50 }", "null", "3"].map(str::to_owned).to_vec())
        );
        assert_eq!(raws(body, "/a~1b/list/0"), Ok(vec!["{ \"x\" : 1.50 }".to_owned()]));
        assert_eq!(raws(body, "/none"), Ok(Vec::new()));
        assert_eq!(raws("[{}]", ""), Ok(vec!["{}".to_owned()]));
    }

    /// What is no such document says what it begins with.
    #[test]
    fn other_documents_are_refused() {
        for (body, pointer, what) in [
            (
                "<!DOCTYPE html>\n<html>",
                "",
                "it is no JSON (expected value at line 1 column 1); it begins with `<!DOCTYPE html>\\n<html>`",
            ),
            ("{\"error\":1}", "/list", "there is nothing at `/list`, where the records should be"),
            ("{\"list\":1}", "/list", "at `/list` there is neither a list nor an object"),
            ("{\"list\":[1,]}", "/list", "it is no JSON"),
        ] {
            let error = raws(body, pointer).expect_err(body);
            assert!(error.contains(what), "{body}: {error}");
        }
    }
}
