//! The figures as pictures: SVG, drawn without the fonts of this machine.

use std::{fs, path::Path};

use plotters::{
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use service::Error;

use crate::{
    report::{FOLDER, Figure, number},
    targets::{self, What},
};

const FONT: &str = "sans-serif";
const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
const BAR: RGBColor = RGBColor(96, 150, 186);
const TARGET: RGBColor = RGBColor(200, 60, 50);
/// Of lines, in their order.
const COLOURS: [RGBColor; 4] = [BAR, RGBColor(228, 150, 60), RGBColor(120, 90, 160), RGBColor(90, 160, 90)];

/// Of the bars, in pixels: what a bar takes, where it begins, how long one is at most, and what is above and below.
const ROW: i32 = 26;
const LABELS: i32 = 260;
const LONGEST: i32 = 460;
const RIGHT: i32 = 80;
const TOP: i32 = 46;
const BOTTOM: i32 = 40;
/// Bars end here, whatever is beyond.
const RATIO_MAX: f64 = 2.0;

/// A line of a picture: what it is, and its points.
type Line = (String, Vec<(f64, f64)>);
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws what these figures have, as `NAME-*.svg` in the folder of the reports; gives the names of the files.
pub(crate) fn all(name: &str, figures: &[Figure]) -> Result<Vec<String>, Error> {
    fs::create_dir_all(FOLDER).map_err(Error::failed)?;
    let mut files = Vec::new();
    let compared: Vec<&Figure> =
        figures.iter().filter(|figure| figure.ratio.is_some() && !figure.is_better_if_less()).collect();
    if !compared.is_empty() {
        files.push(file(name, "ratios", |path| ratios(path, &compared))?);
    }
    let value_at = |name: &str, x: f64| {
        let figure = figures.iter().find(|figure| figure.name == name && figure.value.is_finite())?;
        Some((x, figure.value))
    };
    let values = |label: &str, points: &[(String, f64)]| -> Line {
        (label.to_owned(), points.iter().filter_map(|(name, x)| value_at(name, *x)).collect())
    };
    let growth = [1.0, 10.0, 50.0].map(|rows| (format!("writer.append_at_{rows:.0}m"), rows));
    let growth = [values("rows a second", &growth)];
    let picture = Picture {
        title: "Appending one million rows to a table that has some",
        x: "million rows stored already",
        y: "rows a second",
        is_log: false,
    };
    files.extend(picture.file(name, "growth", &growth)?);
    let of_limit = |points: &[(String, f64)]| -> Line {
        let limit = |name: &str| figures.iter().find(|figure| figure.name == name)?.limit_value;
        let points = points.iter().filter_map(|(name, x)| Some((*x, limit(name)?)));
        ("LOAD DATA, as many sessions".to_owned(), points.collect())
    };
    let partitions = [1.0, 2.0, 4.0].map(|count| (format!("writer.partitions_{count:.0}"), count));
    let picture = Picture {
        title: "As many writers as partitions",
        x: "partitions and tasks",
        y: "rows a second",
        is_log: false,
    };
    files.extend(picture.file(
        name,
        "partitions",
        &[values("writer", &partitions), of_limit(&partitions)],
    )?);
    let latency = ["p50", "p99", "p999"].map(|share| {
        let points = [1_000.0, 5_000.0, 20_000.0].map(|rate| (format!("path.{share}_ms_at_{rate:.0}"), rate));
        values(share, &points)
    });
    let picture = Picture {
        title: "From a record's making to its row",
        x: "records a second",
        y: "milliseconds",
        is_log: true,
    };
    files.extend(picture.file(name, "latency", &latency)?);
    Ok(files)
}

fn file(
    name: &str,
    of: &str,
    draw: impl FnOnce(&Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
) -> Result<String, Error> {
    let file = format!("{name}-{of}.svg");
    draw(&Path::new(FOLDER).join(&file)).map_err(Error::failed)?;
    Ok(file)
}

type Drawn = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A bar for each figure of which more is better, with whiskers from the smallest to the largest ratio, and a mark at its target.
fn ratios(path: &Path, figures: &[&Figure]) -> Drawn {
    let height = TOP + ROW * figures.len() as i32 + BOTTOM;
    let size = ((LABELS + LONGEST + RIGHT) as u32, height as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let largest = figures.iter().filter_map(|figure| figure.max).fold(1.0, f64::max);
    let scale = f64::from(LONGEST) / (largest * 1.02).min(RATIO_MAX);
    let x = |ratio: f64| LABELS + (ratio.min(RATIO_MAX) * scale) as i32;
    let text = |content: String, at: (i32, i32), size: i32, side: HPos| {
        let style = (FONT, size).into_font().color(&TEXT).pos(Pos::new(side, VPos::Center));
        area.draw(&Text::new(content, at, style))
    };
    text("Ratio to the limit of the same run: longer is better".to_owned(), (12, 20), 20, HPos::Left)?;
    let bottom = TOP + ROW * figures.len() as i32;
    for tenth in (0..).step_by(2).take_while(|tenth| x(f64::from(*tenth) / 10.0) < LABELS + LONGEST) {
        let ratio = f64::from(tenth) / 10.0;
        area.draw(&PathElement::new([(x(ratio), TOP), (x(ratio), bottom)], GRID))?;
        text(format!("{ratio:.1}"), (x(ratio), bottom + 14), 15, HPos::Center)?;
    }
    for (row, figure) in figures.iter().enumerate() {
        let middle = TOP + ROW * row as i32 + ROW / 2;
        let Some(ratio) = figure.ratio else { continue };
        text(figure.name.clone(), (LABELS - 8, middle), 16, HPos::Right)?;
        let corners = [(LABELS, middle - 7), (x(ratio), middle + 7)];
        area.draw(&Rectangle::new(corners, BAR.filled()))?;
        if let (Some(min), Some(max)) = (figure.min.map(x), figure.max.map(x)) {
            for line in [[(min, middle), (max, middle)], ends(min, middle), ends(max, middle)] {
                area.draw(&PathElement::new(line, TEXT))?;
            }
        }
        for (target, _) in targets::verdicts(figure) {
            if target.what == What::Ratio {
                let line = [(x(target.number), middle - 12), (x(target.number), middle + 12)];
                area.draw(&PathElement::new(line, TARGET.stroke_width(3)))?;
            }
        }
        text(format!("{ratio:.3}"), (LABELS + LONGEST + 8, middle), 16, HPos::Left)?;
    }
    area.present()?;
    Ok(())
}

fn ends(x: i32, middle: i32) -> [(i32, i32); 2] {
    [(x, middle - 4), (x, middle + 4)]
}

/// What a picture of lines says around them.
struct Picture {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// Whether the values are on a logarithmic scale, as what they are over is in any case.
    is_log: bool,
}

impl Picture {
    /// Draws the lines if there is anything to draw; gives the file's name.
    fn file(&self, name: &str, of: &str, lines: &[Line]) -> Result<Option<String>, Error> {
        if lines.iter().all(|(_, points)| points.len() < 2) {
            return Ok(None);
        }
        file(name, of, |path| self.draw(path, lines)).map(Some)
    }

    fn draw(&self, path: &Path, lines: &[Line]) -> Drawn {
        let area = SVGBackend::new(path, (640, 400)).into_drawing_area();
        area.fill(&WHITE)?;
        let points = || lines.iter().flat_map(|(_, points)| points);
        let least_x = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let most_x = points().map(|point| point.0).fold(0.0, f64::max);
        let least_y = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let most_y = points().map(|point| point.1).fold(0.0, f64::max) * 1.15;
        let x = least_x * 0.9..most_x * 1.1;
        // A line that begins at nothing tells how much is lost; a logarithm cannot.
        if self.is_log {
            self.axes(&area, x.log_scale(), (least_y * 0.8..most_y).log_scale(), lines)?;
        } else {
            self.axes(&area, x.log_scale(), 0.0..most_y, lines)?;
        }
        area.present()?;
        Ok(())
    }

    fn axes<X, Y>(&self, area: &Area<'_>, x: X, y: Y, lines: &[Line]) -> Drawn
    where
        X: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
        Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
    {
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .caption(self.title, (FONT, 20).into_font().color(&TEXT))
            .x_label_area_size(44)
            .y_label_area_size(76)
            .build_cartesian_2d(x, y)?;
        let label = |value: &f64| number(*value).trim_end_matches('0').trim_end_matches('.').to_owned();
        let whole = |value: &f64| if *value >= 1_000.0 { number(*value) } else { label(value) };
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&whole)
            .y_label_formatter(&whole)
            .label_style((FONT, 15).into_font().color(&TEXT))
            .draw()?;
        for ((name, points), colour) in lines.iter().zip(COLOURS.into_iter().cycle()) {
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            chart
                .draw_series(line)?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        if lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::LowerRight)
                .background_style(WHITE)
                .border_style(GRID)
                .label_font((FONT, 15).into_font().color(&TEXT))
                .draw()?;
        }
        Ok(())
    }
}
