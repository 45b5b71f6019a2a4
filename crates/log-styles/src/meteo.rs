//! The weather pipeline's producer and consumer: in French, and as their description promises it.

use events::WeatherReading;

use crate::{Event, Line, python, time::plain};

/// A reading above this is an alert, in degrees Celsius.
const ALERT_ABOVE_C: f64 = 30.0;
/// What the description has before the lines of an alert: a warning sign, asked to be drawn in colour.
const WARNING: &str = "\u{26a0}\u{fe0f} ";

pub(crate) fn line(line: &Line<'_>) -> Option<String> {
    Some(match line {
        Line::WaitingForKafka => {
            "Kafka broker non disponible, nouvelle tentative dans 5 secondes...".to_owned()
        }
        Line::ProducerStarting { .. } => "démarrage du simulateur de capteurs...".to_owned(),
        Line::Sent { event } => format!("Envoyé ! {}", dict(*event)?),
        Line::ProducerStopping => "Arrêt du producteur".to_owned(),
        Line::WaitingForDatabase { error } => {
            format!("Erreur de connexion à la base de données : {error}. Nouvelle tentative dans 5 sec...")
        }
        Line::DatabaseConnected => "Connexion à la base de données réussie.".to_owned(),
        Line::Reading { .. } => "En attente des données...".to_owned(),
        Line::Received { event, .. } => {
            let temperature = python::float(temperature(*event)?);
            if is_alert(*event) {
                // The blank at the end is part of the line.
                format!("ALERTE : Température élevée ({temperature}°C)! ")
            } else {
                format!("Température normale : {temperature}°C")
            }
        }
        Line::Inserted { event } if is_alert(*event) => {
            "Alerte enregistrée dans la base de données.".to_owned()
        }
        Line::ConsumerStopping => "Arrêt...".to_owned(),
        _ => return None,
    })
}

/// The same, where the description has an emoji as the description has it.
pub(crate) fn emoji_line(line: &Line<'_>) -> Option<String> {
    let french = self::line(line)?;
    Some(match line {
        Line::Sent { .. } => "✅ Message Sent".to_owned(),
        Line::Received { event, .. } if is_alert(*event) => format!("{WARNING}{french}"),
        Line::Inserted { .. } => format!("{WARNING}Alert Saved"),
        _ => french,
    })
}

fn temperature(event: Event<'_>) -> Option<f64> {
    event.named(WeatherReading::NAME)?.double("temperature_c")
}

fn is_alert(event: Event<'_>) -> bool {
    temperature(event).is_some_and(|temperature| temperature > ALERT_ABOVE_C)
}

/// The reading as that pipeline has it: its own names, and nothing that it does not measure.
fn dict(event: Event<'_>) -> Option<String> {
    let event = event.named(WeatherReading::NAME)?;
    Some(python::dict([
        ("sensor_id", event.int("sensor_id")?.to_string()),
        ("température", python::float(event.double("temperature_c")?)),
        ("city", python::text(event.text("city")?)),
        ("timestamp", python::text(&plain(event.time_ms("observed_at")?)?)),
    ]))
}
