//! Kafka's errors as the command line tells them.

use kafka::{Admin, Class, Connection, Topic};
use service::Error;

/// How alike two topics' names must be (Jaro-Winkler) before one is offered in place of the other.
const LIKENESS_MIN: f64 = 0.8;

/// An error with the brokers it concerns; a property that the client does not accept is a wrong command line.
pub(crate) fn told(connection: &Connection) -> impl Fn(kafka::Error) -> Error {
    move |error| {
        if error.class() != Class::Config {
            let brokers = format!("Kafka at {}", connection.kafka_bootstrap_servers);
            return Error::failed(anyhow::Error::new(error).context(brokers));
        }
        let allowed = format!("what Kafka and its client accept ({error})");
        Error::config(Connection::FLAGS, connection.shown(), allowed)
    }
}

/// The topic of this name, or an error that says which one may be meant.
pub(crate) fn topic(connection: &Connection, admin: &Admin, name: &str) -> Result<Topic, Error> {
    find(admin.topics().map_err(told(connection))?, name)
}

/// The topic of this name among those that there are.
pub(crate) fn find(topics: Vec<Topic>, name: &str) -> Result<Topic, Error> {
    let likeness = |topic: &Topic| strsim::jaro_winkler(&topic.name, name);
    let like = topics.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let like = like.filter(|topic| likeness(topic) >= LIKENESS_MIN);
    let hint = like.map(|topic| format!("; did you mean {}?", topic.name)).unwrap_or_default();
    let missing = || Error::failed(format!("topic {name} does not exist{hint}"));
    topics.into_iter().find(|topic| topic.name == name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use kafka::Topic;

    use super::find;

    /// A missing topic is named together with the one that was meant, if there is one like it.
    #[test]
    fn a_missing_topic_is_named() {
        let topics = || {
            ["toll", "toll.valid", "toll.dlq"]
                .map(|name| Topic { name: name.to_owned(), partitions: vec![] })
                .to_vec()
        };
        assert_eq!(find(topics(), "toll.dlq").expect("there").name, "toll.dlq");
        let error = find(topics(), "toll.vaild").expect_err("missing").to_string();
        assert_eq!(error, "topic toll.vaild does not exist; did you mean toll.valid?");
        assert_eq!(
            find(topics(), "weather").expect_err("missing").to_string(),
            "topic weather does not exist"
        );
    }
}
