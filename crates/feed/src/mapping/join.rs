//! Texts made of several columns: `{year} {day} {hour}:{minute}`.

/// A template: literal text, and places whose text is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Stands for itself.
    Literal(String),
    /// Stands for what is at a place, with zeros in front up to a width.
    Place {
        /// A column or a JSON pointer.
        name: String,
        /// The width; 0 for as it is.
        width: usize,
    },
}

/// Most zeros that a template may ask for.
const WIDTH_MAX: usize = 20;

impl Template {
    /// Reads a template; the error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or("a } for every {")?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            let (name, width) = match place.rsplit_once(':') {
                None => (place, 0),
                Some((name, width)) => {
                    let width = width.parse().ok().filter(|width| *width <= WIDTH_MAX);
                    (name, width.ok_or_else(|| format!("{{column:width}} with a width up to {WIDTH_MAX}"))?)
                }
            };
            pieces.push(Piece::Place { name: name.to_owned(), width });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        let template = Self(pieces);
        if template.places().next().is_none() {
            return Err("a text with {column} in it".to_owned());
        }
        Ok(template)
    }

    /// Its pieces in order.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The places that it needs.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Place { name, .. } => Some(name.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places, literals and widths are told apart.
    #[test]
    fn templates_parse() {
        let template = Template::parse("{year} {s:2}.{/a/b}!").expect("a template");
        assert_eq!(template.places().collect::<Vec<_>>(), ["year", "s", "/a/b"]);
        assert_eq!(template.pieces().len(), 6);
        assert_eq!(template.pieces()[2], Piece::Place { name: "s".to_owned(), width: 2 });
    }

    /// A template without a place, with an open brace or with a wild width is none.
    #[test]
    fn other_texts_are_refused() {
        for (text, allowed) in [
            ("year", "{column}"),
            ("{year", "a } for every {"),
            ("{year:x}", "width"),
            ("{a:99}", "up to 20"),
        ] {
            let error = Template::parse(text).expect_err(text);
            assert!(error.contains(allowed), "{text}: {error}");
        }
    }
}
