//! Grafana's dashboards, made from the short descriptions in `deploy/grafana/source`.
//!
//! A description says what a panel shows; how a panel looks is said once, in [`panel`], so that all look alike.

mod panel;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::tree::Tree;

/// Where the descriptions are, one a dashboard.
pub(crate) const SOURCES: &str = "deploy/grafana/source/";
/// Where Grafana finds the dashboards.
pub(crate) const DASHBOARDS: &str = "deploy/grafana/dashboards/";
/// The version of Grafana's own format, that of Grafana 12 and 13; others are migrated when they are loaded.
const SCHEMA_VERSION: u32 = 42;
/// Dashboards are this wide, in Grafana's own steps.
const GRID_WIDTH: u32 = 24;

/// A dashboard as it is described.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    title: String,
    description: String,
    #[serde(default)]
    pub(crate) variables: Vec<Variable>,
    rows: Vec<Row>,
}

/// A choice at the top: the values that a label of a metric has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    /// What queries call it, with a `$`.
    name: String,
    /// What people read.
    title: String,
    pub(crate) series: String,
    pub(crate) label: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    title: String,
    panels: Vec<Panel>,
}

/// A panel as it is described.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Panel {
    pub(crate) title: String,
    kind: Kind,
    unit: String,
    pub(crate) description: String,
    pub(crate) queries: Vec<Query>,
    /// Marks single records in the graph, with a link to their traces.
    #[serde(default)]
    exemplars: bool,
    #[serde(default)]
    stacked: bool,
    width: Option<u32>,
    /// Values from here on are red.
    red_from: Option<f64>,
    /// Values below this are red.
    red_below: Option<f64>,
    /// What single values mean, in words.
    #[serde(default)]
    words: Map<String, Value>,
    /// Where matching traces are.
    pub(crate) traces: Option<Traces>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Timeseries,
    Stat,
    Table,
    Heatmap,
    States,
}

/// Legend and expression.
#[derive(Debug, Deserialize)]
pub(crate) struct Query(pub(crate) String, pub(crate) String);

/// A search in Jaeger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traces {
    service: String,
    /// `key=value` by attributes of spans, with blanks between.
    #[serde(default)]
    pub(crate) tags: String,
}

impl Dashboard {
    /// Every panel, in order.
    pub(crate) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }
}

/// The descriptions by path, each read or why it cannot be.
pub(crate) fn described(tree: &Tree) -> impl Iterator<Item = (&str, anyhow::Result<Dashboard>)> {
    let sources = tree.ending(".json").filter(|(path, _)| path.starts_with(SOURCES));
    sources.map(|(path, text)| (path, serde_json::from_str(text).context("is no description of a dashboard")))
}

/// Path and text of each dashboard.
pub(crate) fn all(tree: &Tree) -> anyhow::Result<Vec<(String, String)>> {
    let made = described(tree).map(|(path, dashboard)| {
        let name = path.trim_start_matches(SOURCES).trim_end_matches(".json");
        let dashboard = dashboard.with_context(|| path.to_owned())?;
        let text = serde_json::to_string_pretty(&sorted(whole(name, &dashboard)))?;
        Ok((format!("{DASHBOARDS}{name}.json"), format!("{text}\n")))
    });
    made.collect()
}

/// What the file of a dashboard holds.
fn whole(name: &str, dashboard: &Dashboard) -> Value {
    let mut variables = vec![json!({
        "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"}, "refresh": 1, "options": [],
    })];
    variables.extend(dashboard.variables.iter().map(variable));
    json!({
        "uid": format!("turnpike-{name}"),
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["turnpike"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables},
        "annotations": {"list": [annotation("Alerts", "ALERTS{alertstate='firing'}", "{{alertname}}", "red"),
            annotation("Restarts", "resets(process_uptime_seconds[2m]) > 0", "{{job}} restarted", "blue")]},
        "links": [
            {"type": "dashboards", "title": "Turnpike", "tags": ["turnpike"], "asDropdown": true, "icon": "external link",
             "includeVars": false, "keepTime": true, "targetBlank": false, "tooltip": "", "url": ""},
        ],
        "panels": placed(&dashboard.rows),
    })
}

fn variable(Variable { name, title, series, label }: &Variable) -> Value {
    let query = format!("label_values({series}, {label})");
    json!({
        "type": "query", "name": name, "label": title, "datasource": panel::source(),
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "refresh": 2, "sort": 1, "options": [],
        "multi": true, "includeAll": true, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
    })
}

fn annotation(name: &str, query: &str, title: &str, color: &str) -> Value {
    json!({
        "name": name, "datasource": panel::source(), "enable": true, "hide": false, "iconColor": color,
        "target": {"refId": "Anno", "expr": query, "interval": "30s"}, "titleFormat": title,
    })
}

/// The panels from left to right and row by row, each row under its title.
fn placed(rows: &[Row]) -> Vec<Value> {
    let mut placed = Vec::new();
    let (mut id, mut y) = (0, 0);
    for row in rows {
        id += 1;
        placed.push(json!({
            "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": GRID_WIDTH, "h": 1},
        }));
        y += 1;
        let (mut x, mut tallest) = (0, 0);
        for panel in &row.panels {
            let (width, height) = panel.size();
            if x + width > GRID_WIDTH {
                (x, y, tallest) = (0, y + tallest, 0);
            }
            id += 1;
            placed.push(panel.render(id, &json!({"x": x, "y": y, "w": width, "h": height})));
            (x, tallest) = (x + width, tallest.max(height));
        }
        y += tallest;
    }
    placed
}

/// With keys in order, whatever serde_json was built to do: another crate of the workspace may have it keep theirs.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(kind: &str, width: u32) -> Value {
        json!({"title": "T", "kind": kind, "unit": "s", "description": "D.", "queries": [["{{le}}", "up"]],
            "width": width, "exemplars": true})
    }

    fn made(panels: &[Value]) -> Value {
        let source = json!({"title": "A", "description": "B.", "rows": [{"title": "R", "panels": panels}],
            "variables": [{"name": "v", "title": "V", "series": "up", "label": "job"}]});
        let path = format!("{SOURCES}x.json");
        let files = all(&Tree::of(&[(&path, &source.to_string())])).unwrap();
        assert_eq!(files[0].0, format!("{DASHBOARDS}x.json"));
        serde_json::from_str(&files[0].1).unwrap()
    }

    /// Panels fill a line and go on in the next; no two have one number or one place.
    #[test]
    fn panels_are_placed_side_by_side() {
        let made = made(&[panel("timeseries", 12), panel("stat", 12), panel("table", 8)]);
        let places: Vec<String> = made["panels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|panel| {
                let at = &panel["gridPos"];
                format!("{} {},{}", panel["id"], at["x"], at["y"])
            })
            .collect();
        assert_eq!(places, ["1 0,0", "2 0,1", "3 12,1", "4 0,9"]);
    }

    /// The choice at the top and the exemplars are as Grafana wants them.
    #[test]
    fn variables_and_exemplars_are_set() {
        let made = made(&[panel("timeseries", 12)]);
        assert_eq!(made["templating"]["list"][1]["query"]["query"], "label_values(up, job)");
        assert_eq!(made["panels"][1]["targets"][0]["exemplar"], true);
        assert_eq!(made["uid"], "turnpike-x");
    }

    /// A misspelt key is an error that names the file, not a panel that lacks something.
    #[test]
    fn unknown_keys_are_refused() {
        let path = format!("{SOURCES}x.json");
        let error = all(&Tree::of(&[(&path, r#"{"title": "A", "row": []}"#)])).unwrap_err();
        assert!(
            format!("{error:#}")
                .starts_with(&format!("{path}: is no description of a dashboard: unknown field `row`"))
        );
    }
}
