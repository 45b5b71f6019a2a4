//! How a panel looks: Grafana's JSON of each kind.

use serde_json::{Value, json};

use super::{Kind, Panel, Query, Traces};

/// The uid under which Grafana's provisioning knows Jaeger.
const JAEGER_UID: &str = "jaeger";
const GREEN: &str = "green";
const RED: &str = "red";

/// The data source that the reader chose at the top.
pub(super) fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Panel {
    /// Width and height in steps of the grid.
    pub(super) fn size(&self) -> (u32, u32) {
        match self.kind {
            Kind::Stat => (self.width.unwrap_or(4), 4),
            _ => (self.width.unwrap_or(12), 8),
        }
    }

    /// The panel as Grafana reads it.
    pub(super) fn render(&self, id: u32, place: &Value) -> Value {
        let kind = match self.kind {
            Kind::Timeseries => "timeseries",
            Kind::Stat => "stat",
            Kind::Table => "table",
            Kind::Heatmap => "heatmap",
            Kind::States => "state-timeline",
        };
        let mut panel = json!({
            "id": id, "type": kind, "title": self.title, "description": self.description, "gridPos": place,
            "datasource": source(), "targets": self.targets(), "options": self.options(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
        });
        if self.kind == Kind::Table {
            panel["transformations"] = self.columns();
        }
        if let Some(traces) = self.traces.as_ref().filter(|traces| !traces.follow_a_series()) {
            // Of a panel's link Grafana wants all that it wants of a dashboard's.
            let mut link = traces.link();
            for (key, value) in [("type", "link"), ("icon", "external link"), ("tooltip", "")] {
                link[key] = json!(value);
            }
            for (key, value) in [("asDropdown", false), ("includeVars", false), ("keepTime", false)] {
                link[key] = json!(value);
            }
            link["tags"] = json!([]);
            panel["links"] = json!([link]);
        }
        panel
    }

    fn targets(&self) -> Vec<Value> {
        let is_instant = self.kind == Kind::Table;
        let format = match self.kind {
            Kind::Table => "table",
            Kind::Heatmap => "heatmap",
            _ => "time_series",
        };
        let target = |(letter, Query(legend, expr)): (char, &Query)| {
            json!({
                "refId": letter.to_string(), "datasource": source(), "expr": expr, "legendFormat": legend, "format": format,
                "instant": is_instant, "range": !is_instant, "exemplar": self.exemplars, "editorMode": "code",
            })
        };
        ('A'..='Z').zip(&self.queries).map(target).collect()
    }

    fn defaults(&self) -> Value {
        let mut defaults = json!({"unit": self.unit, "custom": self.custom()});
        if let Some(steps) = self.thresholds() {
            defaults["thresholds"] = json!({"mode": "absolute", "steps": steps});
        } else if matches!(self.kind, Kind::Stat | Kind::States) {
            defaults["thresholds"] = json!({"mode": "absolute", "steps": [{"value": null, "color": "text"}]});
        }
        if !self.words.is_empty() {
            let texts = self.words.iter().map(|(value, text)| (value.clone(), json!({"text": text})));
            let options: serde_json::Map<String, Value> = texts.collect();
            defaults["mappings"] = json!([{"type": "value", "options": options}]);
        }
        if let Some(traces) = self.traces.as_ref().filter(|traces| traces.follow_a_series()) {
            defaults["links"] = json!([traces.link()]);
        }
        defaults
    }

    fn thresholds(&self) -> Option<Value> {
        match (self.red_from, self.red_below) {
            (Some(from), _) => Some(json!([{"value": null, "color": GREEN}, {"value": from, "color": RED}])),
            (None, Some(below)) => {
                Some(json!([{"value": null, "color": RED}, {"value": below, "color": GREEN}]))
            }
            (None, None) => None,
        }
    }

    fn custom(&self) -> Value {
        match self.kind {
            Kind::Timeseries => json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": if self.stacked { 30 } else { 8 },
                "showPoints": "auto", "spanNulls": false, "axisSoftMin": 0,
                "stacking": {"mode": if self.stacked { "normal" } else { "none" }, "group": "A"},
                "thresholdsStyle": {"mode": if self.thresholds().is_some() { "line" } else { "off" }},
            }),
            Kind::States => json!({"fillOpacity": 70, "lineWidth": 0}),
            Kind::Table => json!({"align": "auto", "cellOptions": {"type": "auto"}, "inspect": false}),
            Kind::Stat | Kind::Heatmap => json!({}),
        }
    }

    fn options(&self) -> Value {
        match self.kind {
            Kind::Timeseries => json!({
                "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Stat => json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
                "percentChangeColorMode": "standard", "showPercentChange": false, "wideLayout": true,
            }),
            Kind::Table => json!({"showHeader": true, "cellHeight": "sm", "frameIndex": 0}),
            Kind::Heatmap => json!({
                "calculate": false, "color": {"mode": "scheme", "scheme": "Spectral", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": false},
                "cellGap": 1, "yAxis": {"unit": self.unit}, "legend": {"show": true}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
                "filterValues": {"le": 1e-9}, "rowsFrame": {"layout": "auto"}, "showValue": "never",
                "tooltip": {"mode": "single", "yHistogram": true},
            }),
            Kind::States => json!({
                "showValue": "never", "rowHeight": 0.9, "mergeValues": true, "alignValue": "left",
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
                "tooltip": {"mode": "single", "sort": "none"},
            }),
        }
    }

    /// One row for each set of labels, one column for each query, named by its legend.
    fn columns(&self) -> Value {
        let several = self.queries.len() > 1;
        let column = |letter: char| if several { format!("Value #{letter}") } else { "Value".to_owned() };
        let legends = ('A'..='Z').zip(&self.queries).map(|(letter, query)| (column(letter), json!(query.0)));
        let names: serde_json::Map<String, Value> = legends.collect();
        json!([
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": true}, "renameByName": names}},
        ])
    }
}

impl Traces {
    /// Whether the search needs labels of the series that was clicked.
    fn follow_a_series(&self) -> bool {
        self.tags.contains("${__field")
    }

    /// A link to Explore with the search filled in, over the time that is shown.
    fn link(&self) -> Value {
        let pane = json!({"t": {
            "datasource": JAEGER_UID,
            "queries": [{
                "refId": "A", "datasource": {"type": "jaeger", "uid": JAEGER_UID}, "queryType": "search",
                "service": self.service, "tags": self.tags, "limit": 20,
            }],
            "range": {"from": "${__from}", "to": "${__to}"},
        }});
        let url =
            format!("/explore?schemaVersion=1&panes={}", percent_encoded(&super::sorted(pane).to_string()));
        json!({"title": format!("Traces of {} in Jaeger", self.service), "url": url, "targetBlank": true})
    }
}

/// For a query of a URL; Grafana's variables stay as they are, since Grafana fills them in.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let variable = rest.find('}').filter(|_| rest.starts_with("${")).map(|end| &rest[..=end]);
        let piece = variable.unwrap_or(&rest[..first.len_utf8()]);
        if variable.is_some() || first.is_ascii_alphanumeric() || "-_.~".contains(first) {
            encoded.push_str(piece);
        } else {
            encoded.extend(piece.bytes().map(|byte| format!("%{byte:02X}")));
        }
        rest = &rest[piece.len()..];
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything is encoded but what Grafana must find again.
    #[test]
    fn variables_survive_the_encoding() {
        assert_eq!(percent_encoded(r#"{"a":"${__from} é"}"#), "%7B%22a%22%3A%22${__from}%20%C3%A9%22%7D");
        assert_eq!(percent_encoded("$x ${open"), "%24x%20%24%7Bopen");
    }

    /// A search that needs the clicked series is a link of the series, another one a link of the panel.
    #[test]
    fn links_stand_where_their_labels_are() {
        let render = |tags: &str| {
            let panel = json!({"title": "T", "kind": "timeseries", "unit": "s", "description": "D.", "queries": [],
                "traces": {"service": "validator", "tags": tags}});
            serde_json::from_value::<Panel>(panel).unwrap().render(1, &json!({}))
        };
        let of_series = render("turnpike.stream=${__field.labels.stream}");
        assert!(
            of_series["links"].is_null()
                && of_series["fieldConfig"]["defaults"]["links"][0]["url"].is_string()
        );
        let of_panel = render("error=true");
        assert!(of_panel["fieldConfig"]["defaults"]["links"].is_null());
        assert!(of_panel["links"][0]["url"].as_str().unwrap().contains("error%3Dtrue"));
    }
}
