//! Reads `transforms` and `transforms.ALIAS.*` of a connector's document.

use std::sync::Arc;

use contract::Filter;
use service::Error;

use super::{Condition, Origin, ReplaceField, Transform, Transforms, allowed_condition};
use crate::settings::Settings;

/// What a class does.
#[derive(Clone, Copy)]
enum Class {
    ReplaceField,
    InsertField,
    HeaderToValue,
    Filter,
}

/// The classes that documents may name.
const CLASSES: [(&str, Class); 5] = [
    ("org.apache.kafka.connect.transforms.ReplaceField$Value", Class::ReplaceField),
    ("org.apache.kafka.connect.transforms.InsertField$Value", Class::InsertField),
    ("io.debezium.transforms.HeaderToValue", Class::HeaderToValue),
    ("turnpike.Filter", Class::Filter),
    ("io.debezium.transforms.Filter", Class::Filter),
];

/// What `InsertField$Value` can insert, beside text that is always the same.
const INSERTED: [(&str, Origin); 4] = [
    ("topic.field", Origin::Topic),
    ("partition.field", Origin::Partition),
    ("offset.field", Origin::Offset),
    ("timestamp.field", Origin::Timestamp),
];

/// A transform's own keys.
struct Keys<'s> {
    settings: &'s Settings<'s>,
    alias: &'s str,
}

impl Transforms {
    /// Reads the transforms and the list of columns.
    pub(crate) fn new(settings: &Settings<'_>) -> Result<Self, Error> {
        let mut transforms: Vec<(String, Transform)> = Vec::new();
        for alias in settings.list(&["transforms"]) {
            if transforms.iter().any(|(other, _)| *other == alias) {
                return Err(settings.refused("transforms", "names that differ from each other"));
            }
            let transform = Keys { settings, alias: &alias }.transform()?;
            transforms.push((alias, transform));
        }
        Ok(Self { transforms, whitelist: settings.list(&["fields.whitelist", "field.include.list"]) })
    }
}

impl Keys<'_> {
    fn transform(&self) -> Result<Transform, Error> {
        let classes = CLASSES.map(|(name, _)| name).join(", ");
        let allowed = format!("{classes} (others are not supported)");
        let class = self.required("type", &allowed)?;
        let Some((_, class)) = CLASSES.iter().find(|(name, _)| *name == class) else {
            return Err(self.refused("type", &allowed));
        };
        for name in ["predicate", "negate"] {
            if self.find(name).is_some() {
                let allowed =
                    "nothing: predicates are not supported; a turnpike.Filter has a condition of its own";
                return Err(self.refused(name, allowed));
            }
        }
        match class {
            Class::ReplaceField => self.replace_field(),
            Class::InsertField => self.insert_field(),
            Class::HeaderToValue => self.header_to_value(),
            Class::Filter => self.filter(),
        }
    }

    fn replace_field(&self) -> Result<Transform, Error> {
        let mut renames = Vec::new();
        for pair in self.list(&["renames"]) {
            let names = pair.split_once(':').map(|(from, to)| (from.trim(), to.trim()));
            match names.filter(|(from, to)| !from.is_empty() && !to.is_empty()) {
                Some((from, to)) => renames.push((from.to_owned(), to.to_owned())),
                None => return Err(self.refused("renames", "pairs of old:new, separated by commas")),
            }
        }
        let include = self.list(&["include", "whitelist"]);
        let exclude = self.list(&["exclude", "blacklist"]);
        Ok(Transform::ReplaceField(ReplaceField { include, exclude, renames }))
    }

    fn insert_field(&self) -> Result<Transform, Error> {
        // Connect's marks for fields that are optional or not; whether a column takes NULL is the table's affair.
        let name = |field: &str| field.trim_end_matches(['?', '!']).to_owned();
        let mut added = Vec::new();
        for (key, origin) in INSERTED {
            added.extend(self.find(key).map(|field| (name(field), origin)));
        }
        if let Some(field) = self.find("static.field") {
            let text = self.required("static.value", "the text for static.field")?;
            added.push((name(field), Origin::Static(text.to_owned())));
        }
        if added.is_empty() {
            let keys = INSERTED.map(|(key, _)| key).join(", ");
            return Err(self.refused("static.field", &format!("the name of a field, here or in {keys}")));
        }
        Ok(Transform::Add(added))
    }

    fn header_to_value(&self) -> Result<Transform, Error> {
        let (headers, fields) = (self.list(&["headers"]), self.list(&["fields"]));
        if headers.is_empty() {
            return Err(self.refused("headers", "names of headers, separated by commas"));
        }
        if fields.len() != headers.len() {
            let allowed = format!("{} names of fields, one for each of headers", headers.len());
            return Err(self.refused("fields", &allowed));
        }
        // The record goes no further, so whether its headers stay or go shows nowhere.
        let operation = self.required("operation", "copy, move")?;
        if !["copy", "move"].contains(&operation) {
            return Err(self.refused("operation", "copy, move"));
        }
        Ok(Transform::Add(fields.into_iter().zip(headers.into_iter().map(Origin::Header)).collect()))
    }

    fn filter(&self) -> Result<Transform, Error> {
        self.settings.unsupported(&self.key("language"), "cel")?;
        self.settings.unsupported(&self.key("null.handling.mode"), "keep")?;
        if self.find("topic.regex").is_some() {
            return Err(self.refused("topic.regex", "nothing: a filter is for all topics of its connector"));
        }
        let allowed = "a condition in CEL over `message`, such as message.temperature_c > 30.0";
        let text = self.required("condition", allowed)?.to_owned();
        let filter = Filter::parse(&text)
            .map_err(|mistake| self.refused("condition", &allowed_condition(&mistake)))?;
        Ok(Transform::Filter(Condition { text, filter: Arc::new(filter) }))
    }

    fn key(&self, name: &str) -> String {
        format!("transforms.{}.{name}", self.alias)
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.settings.find(&[&self.key(name)])
    }

    fn required(&self, name: &str, allowed: &str) -> Result<&str, Error> {
        self.settings.required(&self.key(name), allowed)
    }

    fn list(&self, names: &[&str]) -> Vec<String> {
        let keys: Vec<String> = names.iter().map(|name| self.key(name)).collect();
        self.settings.list(&keys.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refused(&self, name: &str, allowed: &str) -> Error {
        self.settings.refused(&self.key(name), allowed)
    }
}
