//! Which fields of a record become columns, and under which names.

use service::Error;

use crate::settings::Settings;

/// `fields.whitelist` and the `ReplaceField$Value` transforms before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    transforms: Vec<ReplaceField>,
    /// The columns to write; all fields when it is empty.
    pub(crate) whitelist: Vec<String>,
}

/// One `org.apache.kafka.connect.transforms.ReplaceField$Value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ReplaceField {
    include: Vec<String>,
    exclude: Vec<String>,
    renames: Vec<(String, String)>,
}

impl Fields {
    /// Reads the transforms and the list of columns.
    pub(crate) fn new(settings: &Settings<'_>) -> Result<Self, Error> {
        const CLASS: &str = "org.apache.kafka.connect.transforms.ReplaceField$Value";
        let mut transforms = Vec::new();
        for alias in settings.list(&["transforms"]) {
            let key = |name: &str| format!("transforms.{alias}.{name}");
            if settings.required(&key("type"), CLASS)? != CLASS {
                return Err(
                    settings.refused(&key("type"), &format!("{CLASS} (others are not supported yet)"))
                );
            }
            let list = |names: [&str; 2]| settings.list(&names.map(key).each_ref().map(String::as_str));
            let mut renames = Vec::new();
            for pair in list(["renames", "renames"]) {
                let Some((from, to)) = pair.split_once(':') else {
                    return Err(settings.refused(&key("renames"), "pairs of old:new, separated by commas"));
                };
                renames.push((from.trim().to_owned(), to.trim().to_owned()));
            }
            let (include, exclude) = (list(["include", "whitelist"]), list(["exclude", "blacklist"]));
            transforms.push(ReplaceField { include, exclude, renames });
        }
        Ok(Self { transforms, whitelist: settings.list(&["fields.whitelist", "field.include.list"]) })
    }

    /// The column that a field of the value is written to, or `None` if it is left out.
    pub(crate) fn column_of(&self, field: &str) -> Option<String> {
        let mut name = field.to_owned();
        for transform in &self.transforms {
            if transform.exclude.contains(&name)
                || !(transform.include.is_empty() || transform.include.contains(&name))
            {
                return None;
            }
            if let Some((_, renamed)) = transform.renames.iter().find(|(from, _)| *from == name) {
                name.clone_from(renamed);
            }
        }
        (self.whitelist.is_empty() || self.whitelist.contains(&name)).then_some(name)
    }
}
