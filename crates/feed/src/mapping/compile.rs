//! Checks a mapping file against the schema of its event.

use std::time::Duration;

use events::{Field, Shape};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Format, Mapping, Mark, Origin, Plan, Reading, Source, Words, Zone,
    document::{Document, Entries, FormatType, Mistake, Rule},
    join::Template,
    suggest,
    target::{Scalar, Target},
    time, unit,
};
use crate::{Stream, item::Columns};

/// The field that the feed fills itself.
const EVENT_ID: &str = "event_id";
/// Longest name of a feed: it is part of topic keys, headers and a transactional id.
const NAME_CHARS_MAX: usize = 60;
/// Namespace of the namespaces of feeds.
const FEEDS: Uuid = Uuid::from_u128(0x1b9a_6a3e_6d0b_5f0a_9d5d_0c6f_33d5_7c11);
/// How often an address may be asked, in seconds.
const INTERVAL_SECONDS: std::ops::RangeInclusive<f64> = 0.05..=86_400.0;

/// A mapping file on its way to a [`Mapping`].
struct Compiler<'t> {
    text: &'t str,
    document: Document,
}

impl Mapping {
    /// Reads and checks a mapping file.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        Compiler { text, document: Document::parse(text)? }.compile()
    }
}

impl Compiler<'_> {
    fn compile(self) -> Result<Mapping, Mistake> {
        self.check_name()?;
        let stream = self.stream()?;
        let shape = Shape::parse(stream.schema).expect("our own schemas parse, a test of their crate says");
        let format = self.format()?;
        let plans = self.plans(&shape)?;
        let key = shape.index_of(stream.key).expect("a stream's key is a field, a test says");
        let namespace = Uuid::new_v5(&FEEDS, self.document.name.as_bytes());
        let source = self.source()?;
        let places = |Entries(members): &Entries<Vec<String>>| members.clone();
        let mapping = Mapping {
            stream,
            format,
            source,
            shape,
            plans,
            key,
            identity: self.identity(),
            skip_if: places(&self.document.skip_if),
            skip_unless: places(&self.document.skip_unless),
            namespace,
            name: self.document.name.clone(),
        };
        self.check_places(&mapping)?;
        Ok(mapping)
    }

    /// What makes a record what it is; a text that stands for no value in a field stands for none here.
    fn identity(&self) -> Vec<(String, Vec<Mark>)> {
        let Entries(rules) = &self.document.fields;
        let marks = |place: &String| {
            let read = rules.iter().filter(|(_, rule)| rule.from.as_ref() == Some(place));
            let own = read.flat_map(|(_, rule)| &rule.missing);
            self.document.missing.iter().chain(own).map(|mark| Mark::new(mark)).collect()
        };
        self.document.identity.iter().map(|place| (place.clone(), marks(place))).collect()
    }

    fn mistake(&self, path: &[&str], found: &str, allowed: impl Into<String>) -> Mistake {
        Mistake::at(self.text, path, found, allowed)
    }

    fn check_name(&self) -> Result<(), Mistake> {
        let name = &self.document.name;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(is_plain) {
            let allowed = format!("1 to {NAME_CHARS_MAX} small letters, digits and hyphens");
            return Err(self.mistake(&["name"], name, allowed));
        }
        Ok(())
    }

    fn stream(&self) -> Result<&'static Stream, Mistake> {
        const STREAMS: &[Stream] = &Stream::ALL;
        let name = &self.document.stream;
        STREAMS.iter().find(|stream| stream.name == *name).ok_or_else(|| {
            let names = STREAMS.iter().map(|stream| stream.name);
            let hint = suggest::hint(name, names.clone());
            self.mistake(&["stream"], name, format!("{}{hint}", names.collect::<Vec<_>>().join(", ")))
        })
    }

    fn format(&self) -> Result<Format, Mistake> {
        let format = &self.document.format;
        let is_csv = format.r#type == FormatType::Csv;
        for (name, given, belongs) in [
            ("delimiter", format.delimiter.is_some(), is_csv),
            ("header", format.header.is_some(), is_csv),
            ("columns", format.columns.is_some(), is_csv),
            ("records", format.records.is_some(), format.r#type == FormatType::Json),
        ] {
            if given && !belongs {
                let allowed = "delimiter, header and columns for csv, records for json";
                return Err(self.mistake(&["format", name], name, allowed));
            }
        }
        Ok(match format.r#type {
            FormatType::Csv => self.csv()?,
            FormatType::Jsonl => Format::JsonLines,
            FormatType::Json => {
                let records = format.records.clone().unwrap_or_default();
                self.check_pointer(&["format", "records"], &records, true)?;
                Format::Json { records }
            }
        })
    }

    fn csv(&self) -> Result<Format, Mistake> {
        let format = &self.document.format;
        let delimiter = match format.delimiter.as_deref().map(str::as_bytes) {
            None => b',',
            Some([byte]) if byte.is_ascii() && !byte.is_ascii_alphanumeric() => *byte,
            Some(_) => {
                let found = format.delimiter.as_deref().unwrap_or_default();
                return Err(self.mistake(
                    &["format", "delimiter"],
                    found,
                    "one character such as , or ; or \\t",
                ));
            }
        };
        let has_header = format.header.unwrap_or(format.columns.is_none());
        let columns = match (&format.columns, has_header) {
            (None, true) => None,
            (Some(names), false) => Some(Columns::new(names.clone())),
            (Some(_), true) => {
                let allowed = "no columns where the first row names them (header)";
                return Err(self.mistake(&["format", "columns"], "columns", allowed));
            }
            (None, false) => {
                let allowed = "the names of all columns in order (columns), where no row names them";
                return Err(self.mistake(&["format"], "header: false", allowed));
            }
        };
        Ok(Format::Csv { delimiter, columns })
    }

    fn source(&self) -> Result<Option<Source>, Mistake> {
        let Some(source) = &self.document.source else { return Ok(None) };
        if let Err(allowed) = crate::config::address(&source.url) {
            return Err(self.mistake(&["source", "url"], &source.url, allowed));
        }
        let interval = match source.interval_seconds {
            None => None,
            Some(seconds) if INTERVAL_SECONDS.contains(&seconds) => Some(Duration::from_secs_f64(seconds)),
            Some(seconds) => {
                let path = ["source", "interval_seconds"];
                return Err(self.mistake(&path, &seconds.to_string(), "seconds, from 0.05 to 86400"));
            }
        };
        Ok(Some(Source { url: source.url.clone(), interval }))
    }

    /// One plan a field of the shape.
    fn plans(&self, shape: &Shape) -> Result<Vec<Plan>, Mistake> {
        let Entries(rules) = &self.document.fields;
        for (name, _) in rules {
            if name == EVENT_ID {
                let allowed = "other fields; the feed makes event_id of what `identity` names";
                return Err(self.mistake(&["fields", name], name, allowed));
            }
            if shape.index_of(name).is_none() {
                let names = shape.fields().iter().map(|field| field.name.as_str());
                let names: Vec<&str> = names.filter(|name| *name != EVENT_ID).collect();
                let hint = suggest::hint(name, names.iter().copied());
                let allowed = format!("the fields of {}: {}{hint}", shape.name(), names.join(", "));
                return Err(self.mistake(&["fields", name], name, allowed));
            }
        }
        let plans = shape.fields().iter().map(|field| {
            let rule = rules.iter().find(|(name, _)| *name == field.name).map(|(_, rule)| rule);
            match rule {
                _ if field.name == EVENT_ID => Ok(Plan::EventId),
                Some(rule) => self.plan(field, rule),
                None if field.null_branch.is_some() => Ok(Plan::Constant(Scalar::Null)),
                None => {
                    let allowed = format!("a rule for `{}`, which {} needs", field.name, shape.name());
                    Err(self.mistake(&["fields"], "", allowed))
                }
            }
        });
        plans.collect()
    }

    fn plan(&self, field: &Field, rule: &Rule) -> Result<Plan, Mistake> {
        let path = ["fields", &field.name];
        let target = self.target(field, rule)?;
        let origin = match (&rule.from, &rule.join, &rule.value) {
            (Some(place), None, None) => Origin::Place(place.clone()),
            (None, Some(template), None) => {
                let template = Template::parse(template)
                    .map_err(|allowed| self.mistake(&[path[0], path[1], "join"], template, allowed))?;
                Origin::Join(template)
            }
            (None, None, Some(value)) => {
                for (name, given) in [("map", rule.map.is_some()), ("missing", !rule.missing.is_empty())] {
                    if given {
                        let allowed = format!("no {name} beside `value`");
                        return Err(self.mistake(&[path[0], path[1], name], name, allowed));
                    }
                }
                let zone = self.fixed_zone(field, rule, &target)?;
                return self.constant(field, &target, zone, value, &[path[0], path[1], "value"]);
            }
            _ => return Err(self.mistake(&path, &field.name, "one of from, join and value")),
        };
        let zone = match &rule.zone_from {
            Some(place) => Zone::Place(place.clone()),
            None => Zone::Fixed(self.fixed_zone(field, rule, &target)?),
        };
        let marks = self.document.missing.iter().chain(&rule.missing);
        Ok(Plan::Read(Box::new(Reading {
            field: field.name.clone(),
            is_required: field.null_branch.is_none(),
            origin,
            missing: marks.map(|mark| Mark::new(mark)).collect(),
            zone,
            words: self.words(field, rule)?,
            target,
        })))
    }

    /// What a source's text becomes, in the unit and the format of the rule.
    fn target(&self, field: &Field, rule: &Rule) -> Result<Target, Mistake> {
        let path = |last| ["fields", field.name.as_str(), last];
        let Some(mut target) = Target::of(field) else {
            let allowed = "fields of other types; a feed cannot fill this one";
            return Err(self.mistake(&["fields", &field.name], &field.name, allowed));
        };
        if let Some(unit) = &rule.unit {
            let line = unit::line(&field.name, unit);
            target = line.and_then(|line| target.in_unit(line)).ok_or_else(|| {
                let units = unit::units_of(&field.name);
                let hint = suggest::hint(unit, units.iter().copied());
                let allowed = match units.as_slice() {
                    [] => format!("no unit for {}", field.name),
                    units => format!("{}, also as a part such as 0.1 {}{hint}", units.join(", "), units[0]),
                };
                self.mistake(&path("unit"), unit, allowed)
            })?;
        }
        if rule.pseudonym {
            target = match target {
                Target::Uuid => {
                    let vehicles = format!("pseudonyms of {}", self.document.name);
                    Target::Pseudonym(Uuid::new_v5(&FEEDS, vehicles.as_bytes()))
                }
                _ => return Err(self.mistake(&path("pseudonym"), "true", "for a field that is a UUID")),
            };
        }
        match (&target, &rule.format) {
            (Target::Time(_), Some(format)) => time::Format::parse(format)
                .map(Target::Time)
                .map_err(|allowed| self.mistake(&path("format"), format, allowed)),
            (Target::Time(_), None) => {
                let allowed = "a format for a time: rfc3339, unix, unix_ms, wcf or fields of strftime";
                Err(self.mistake(&["fields", &field.name], "", allowed))
            }
            (_, Some(format)) => Err(self.mistake(&path("format"), format, "a format for a time alone")),
            (_, None) => Ok(target),
        }
    }

    /// The zone of the rule, or else that of the mapping; a time without an offset needs one.
    fn fixed_zone(
        &self,
        field: &Field,
        rule: &Rule,
        target: &Target,
    ) -> Result<Option<chrono_tz::Tz>, Mistake> {
        let own = ["fields", &field.name, "zone"];
        let (name, path) = match (&rule.zone, &self.document.time_zone) {
            (Some(name), _) => (name, &own[..]),
            (None, Some(name)) => (name, &["time_zone"][..]),
            (None, None) => {
                return match target {
                    Target::Time(format) if !format.has_offset() => {
                        let allowed =
                            "zone, zone_from or the mapping's time_zone, for the format tells no offset";
                        Err(self.mistake(&own[..2], "", allowed))
                    }
                    _ => Ok(None),
                };
            }
        };
        time::zone(name).map(Some).ok_or_else(|| {
            let hint = time::similar_zone(name).map(|zone| format!("; did you mean `{zone}`?"));
            let allowed = format!("a name such as UTC or Europe/Paris{}", hint.unwrap_or_default());
            self.mistake(path, name, allowed)
        })
    }

    /// The words of `map`, each with the value of the field that it stands for.
    fn words(&self, field: &Field, rule: &Rule) -> Result<Option<Words>, Mistake> {
        let own = ["fields", field.name.as_str()];
        let Some(Entries(members)) = &rule.map else {
            return match rule.otherwise {
                None => Ok(None),
                Some(_) => Err(self.mistake(&[own[0], own[1], "otherwise"], "otherwise", "a map beside it")),
            };
        };
        if let Some(unit) = &rule.unit {
            return Err(self.mistake(&[own[0], own[1], "unit"], unit, "no unit beside `map`"));
        }
        let target = Target::of(field).expect("the field has a target already");
        let scalar = |value: &Json, path: &[&str]| match self.constant(field, &target, None, value, path)? {
            Plan::Constant(scalar) => Ok(scalar),
            Plan::EventId | Plan::Read(_) => unreachable!("a constant is a constant"),
        };
        let known = members
            .iter()
            .map(|(word, value)| Ok((word.clone(), scalar(value, &[own[0], own[1], "map", word])?)));
        let known = known.collect::<Result<_, Mistake>>()?;
        let otherwise = rule.otherwise.as_ref();
        let otherwise = otherwise.map(|value| scalar(value, &[own[0], own[1], "otherwise"])).transpose()?;
        Ok(Some(Words { known, otherwise }))
    }

    /// A value that the mapping itself gives.
    fn constant(
        &self,
        field: &Field,
        target: &Target,
        zone: Option<chrono_tz::Tz>,
        value: &Json,
        path: &[&str],
    ) -> Result<Plan, Mistake> {
        let text = match value {
            Json::Null if field.null_branch.is_some() => return Ok(Plan::Constant(Scalar::Null)),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let scalar = match value {
            Json::Null | Json::Array(_) | Json::Object(_) => Err("one value".to_owned()),
            _ => target.read(&text, zone).map_err(|fault| fault.message),
        };
        let scalar =
            scalar.map_err(|why| self.mistake(path, &text, format!("a value for {} ({why})", field.name)))?;
        Ok(Plan::Constant(scalar))
    }

    /// Places must be written as the format has them, and columns that are named in the file must be among those.
    fn check_places(&self, mapping: &Mapping) -> Result<(), Mistake> {
        match &mapping.format {
            Format::Csv { columns: Some(columns), .. } => mapping.check_columns(columns).map_err(|why| {
                self.mistake(&["format", "columns"], "", format!("all that are used ({why})"))
            }),
            Format::Csv { columns: None, .. } => Ok(()),
            Format::JsonLines | Format::Json { .. } => {
                for (_, place) in mapping.places() {
                    let path = self.path_of(place);
                    self.check_pointer(&path.iter().map(String::as_str).collect::<Vec<_>>(), place, false)?;
                }
                Ok(())
            }
        }
    }

    fn check_pointer(&self, path: &[&str], pointer: &str, may_be_all: bool) -> Result<(), Mistake> {
        if pointer.starts_with('/') || (may_be_all && pointer.is_empty()) {
            return Ok(());
        }
        let allowed = format!("a JSON pointer (RFC 6901); did you mean `/{}`?", pointer.replace('.', "/"));
        Err(self.mistake(path, pointer, allowed))
    }

    /// Where the file names a place.
    fn path_of(&self, place: &str) -> Vec<String> {
        let Entries(rules) = &self.document.fields;
        for (field, rule) in rules {
            let named = [("from", &rule.from), ("join", &rule.join), ("zone_from", &rule.zone_from)];
            let uses = |text: &String| text == place || text.contains(&format!("{{{place}"));
            if let Some((member, _)) = named.iter().find(|(_, text)| text.as_ref().is_some_and(uses)) {
                return vec!["fields".to_owned(), field.clone(), (*member).to_owned()];
            }
        }
        for (name, Entries(members)) in
            [("skip_if", &self.document.skip_if), ("skip_unless", &self.document.skip_unless)]
        {
            if members.iter().any(|(member, _)| member == place) {
                return vec![name.to_owned(), place.to_owned()];
            }
        }
        vec!["identity".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each stream's key is a field of its event.
    #[test]
    fn keys_are_fields() {
        for stream in &Stream::ALL {
            let shape = Shape::parse(stream.schema).expect("a shape");
            assert!(shape.index_of(stream.key).is_some(), "{}", stream.name);
        }
    }
}
