//! A passport for people: one block a station, in the order in which a record passes them.

use serde_json::{Map, Value as Json};

use super::{
    judged::Said,
    passport::Passport,
    sheet::{Letter, Sheet},
    stored::{State, Stored},
    traced::{RECORD, Traced},
    transaction::Transaction,
    tree::{self, span_of_time},
};
use crate::{output::harmless, tail::Content};

/// Where the text of a block begins.
const INDENT: usize = 13;
/// Characters of a value that are shown; JSON has all of it.
const VALUE_CHARACTERS_MAX: usize = 2_000;

/// Lines, each block with its name before its first one.
#[derive(Default)]
struct Page(String);

impl Page {
    fn block(&mut self, name: &str, lines: impl IntoIterator<Item = String>) {
        for (index, line) in lines.into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let line = format!("{name:INDENT$}{line}");
            self.0.extend([line.trim_end(), "\n"]);
        }
    }
}

/// The whole passport.
pub(crate) fn page(passport: &Passport) -> String {
    let mut page = Page::default();
    page.block("event", passport.event_id.iter().map(|id| harmless(id)));
    if let Some(record) = &passport.record {
        page.block("record", sheet(record));
        page.block("producer", [producer(passport, record)]);
    }
    page.block("judged", judged(passport));
    if let Some(forwarded) = &passport.forwarded {
        page.block("forwarded", sheet(forwarded));
    }
    for letter in &passport.dead_letters {
        page.block("dead letter", dead_letter(letter));
    }
    page.block("stored", passport.stored.iter().map(stored));
    page.block("latency", latency(passport));
    page.block("trace", traces(passport));
    page.block("note", passport.notes.iter().map(|note| harmless(note)));
    page.0.trim_end().to_owned()
}

fn sheet(sheet: &Sheet) -> Vec<String> {
    let mut first = sheet.place.to_string();
    first.extend(sheet.timestamp.iter().map(|time| format!("  {time}")));
    first.push_str("  key ");
    first.push_str(&sheet.key.as_deref().map_or_else(|| "null".to_owned(), quoted));
    first.extend(sheet.value_bytes.map(|bytes| format!("  {bytes} bytes")));
    if sheet.is_repeated {
        let mut lines = vec![format!("{}  as it was sent", sheet.place)];
        lines.extend(marks(sheet));
        return lines;
    }
    let mut lines = vec![first];
    let form = match (&sheet.schema, &sheet.dialect) {
        (Some(schema), dialect) => {
            let versions = schema.versions.iter();
            let versions: Vec<String> =
                versions.map(|known| format!("version {} of {}", known.version, known.subject)).collect();
            let name = schema.name.as_deref().unwrap_or("not known to the registry");
            let mut parts = vec![format!("schema {}", schema.id), name.to_owned()];
            parts.extend(versions);
            parts.extend(dialect.iter().map(|dialect| format!("made of text of the dialect {dialect}")));
            Some(parts.join(", "))
        }
        (None, Some(dialect)) => Some(format!("text of the dialect {dialect}")),
        (None, None) => None,
    };
    lines.extend(form.map(|form| harmless(&form)));
    lines.extend(marks(sheet));
    lines.push(value(&sheet.content));
    lines
}

/// What a record carries beside its value.
fn marks(sheet: &Sheet) -> Vec<String> {
    let mut lines = Vec::new();
    let headers: Vec<String> = sheet
        .headers
        .iter()
        .map(|(name, value)| {
            format!("{}={}", harmless(name), value.as_deref().map_or("null".to_owned(), quoted))
        })
        .collect();
    if !headers.is_empty() {
        lines.push(format!("headers {}", headers.join(" ")));
    }
    lines.extend(sheet.transaction.as_ref().map(transaction));
    lines
}

fn value(content: &Content) -> String {
    let text = match content {
        Content::Decoded { value: None } => "null".to_owned(),
        Content::Decoded { value: Some(fields) } => {
            serde_json::to_string(fields).unwrap_or_else(|error| error.to_string())
        }
        Content::Text { value_text } => Json::from(value_text.as_str()).to_string(),
        Content::Raw { value_hex, not_decoded } => format!("0x{value_hex} ({not_decoded})"),
    };
    harmless(&shortened(&text))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes more; see --json)", &text[..end], text.len() - end),
        None => text.to_owned(),
    }
}

fn producer(passport: &Passport, record: &Sheet) -> String {
    if let Some(producer) = &passport.producer {
        return harmless(producer);
    }
    let form = match (&record.schema, &record.dialect) {
        (Some(_), _) => "Avro",
        (None, Some(_)) => "text of a source pipeline",
        (None, None) => "something else",
    };
    let is_sampled = passport.traces.iter().any(|traced| traced.of == RECORD);
    let why = if is_sampled { "its first span is not there" } else { "it was not sampled" };
    format!("not known: {why}; it writes {form}")
}

fn judged(passport: &Passport) -> Vec<String> {
    let Some(judged) = &passport.judged else { return Vec::new() };
    let mut said = judged.verdict.to_owned();
    said.extend(judged.reason.map(|reason| format!(" {reason}")));
    said.extend(judged.message.as_deref().map(|message| format!(", {}", shortened(message))));
    said.extend(judged.flags.as_deref().map(|flags| format!(" {flags}")));
    said.extend([", by contract version ", &judged.contract_version, " (judged again now)"]);
    let mut lines = vec![harmless(&said)];
    let width = judged.rules.iter().map(|rule| rule.rule.chars().count()).max().unwrap_or_default();
    lines.extend(judged.rules.iter().map(|rule| rule_line(rule, width)));
    lines
}

fn rule_line(said: &Said, width: usize) -> String {
    let (mark, code) = match said.outcome {
        "holds" => ("✓", String::new()),
        "flags" => ("!", format!("flags {}: ", said.code)),
        _ => ("✗", format!("{}: ", said.code)),
    };
    let why = said.why.iter().map(|why| format!(" ({why})")).collect::<String>();
    harmless(&format!("{mark} {:width$}  {code}{}{why}", said.rule, seen(&said.seen)))
}

/// `lane is 99, amount is null`
fn seen(values: &Map<String, Json>) -> String {
    let values: Vec<String> =
        values.iter().map(|(name, value)| format!("{name} is {}", shortened(&value.to_string()))).collect();
    values.join(", ")
}

fn transaction(transaction: &Transaction) -> String {
    let Transaction { first, last, records, is_whole } = transaction;
    let records = if *records == 1 { "1 record".to_owned() } else { format!("{records} records") };
    let more = if *is_whole { "" } else { " or more" };
    format!("committed in one transaction with offsets {first} to {last} ({records}{more} of this partition)")
}

fn dead_letter(letter: &Letter) -> Vec<String> {
    let Some(cause) = &letter.cause else {
        return vec![format!("{}  its headers are not those of a dead letter", letter.place)];
    };
    let rule = cause.rule.iter().map(|rule| format!(" by rule {rule}")).collect::<String>();
    let attempt = if cause.attempt > 1 { format!(", attempt {}", cause.attempt) } else { String::new() };
    let when = cause.failed_at.iter().map(|time| format!(" at {time}")).collect::<String>();
    let contract = cause.contract_version.iter().map(|version| format!(", contract version {version}"));
    let contract: String = contract.collect();
    let mut lines = vec![
        format!("{}  {}{rule}, of {}", letter.place, cause.reason, cause.of),
        shortened(&cause.message),
        format!("set aside by {} in stage {}{when}{contract}{attempt}", cause.set_aside_by, cause.stage),
    ];
    // What rules saw stands with the rules; the store's words stand nowhere else.
    if cause.rule.is_none() && !cause.detail.is_null() {
        lines.push(format!("detail {}", shortened(&cause.detail.to_string())));
    }
    lines.extend(letter.transaction.as_ref().map(transaction));
    lines.extend(letter.row.as_ref().map(|row| format!("stored as turnpike.dead_letters id {}", row.id)));
    lines.push(format!("what to do: {}", cause.page));
    lines.iter().map(|line| harmless(line)).collect()
}

fn stored(stored: &Stored) -> String {
    let rows = stored.rows.iter().map(|row| {
        let cells = row.iter().filter(|(_, value)| value.is_some());
        let cells: Vec<String> =
            cells.map(|(name, value)| format!("{name} {}", value.as_deref().unwrap_or_default())).collect();
        cells.join(", ")
    });
    let rows: Vec<String> = rows.collect();
    let next = stored
        .next_offset
        .map_or("has never read this partition".to_owned(), |next| format!("goes on at {next}"));
    let said = match stored.state {
        State::Stored => {
            let more = if rows.len() > 1 { format!(" ({} rows alike)", rows.len()) } else { String::new() };
            format!("{more}  {}", rows.first().map(String::as_str).unwrap_or_default())
        }
        State::SetAside => "  set aside: see its dead letter".to_owned(),
        State::LeftOut => "  left out by the connector's filter".to_owned(),
        State::Read => format!("  read ({next})"),
        State::Missing => format!("  read ({next}), and there is neither a row nor a dead letter of it"),
        State::NotRead => format!("  not read yet ({next})"),
    };
    let table = stored.table.map(|table| format!("  {table}")).unwrap_or_default();
    harmless(&format!("{}{table}{said}", stored.connector))
}

fn latency(passport: &Passport) -> Vec<String> {
    let hops = passport.latency.iter().map(|hop| {
        let (word, micros) = if hop.micros < 0 { ("before", -hop.micros) } else { ("after", hop.micros) };
        harmless(&format!("{}  {} {word} {}", hop.what, span_of_time(micros), hop.after))
    });
    hops.collect()
}

fn traces(passport: &Passport) -> Vec<String> {
    if passport.traces.is_empty() {
        return vec!["not sampled: no span of it was kept".to_owned()];
    }
    passport.traces.iter().flat_map(trace).collect()
}

fn trace(traced: &Traced) -> Vec<String> {
    let Traced { of, url, trace, .. } = traced;
    let Some(trace) = trace else { return vec![format!("{of}: {url} (no spans there)")] };
    let lines = tree::lines(trace).into_iter().map(|line| format!("  {line}"));
    std::iter::once(format!("{of}: {url}")).chain(lines).collect()
}

/// The text itself, or in quotes where it could be taken for something else.
fn quoted(text: &str) -> String {
    let is_plain = |symbol: char| !symbol.is_control() && !symbol.is_whitespace();
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}
