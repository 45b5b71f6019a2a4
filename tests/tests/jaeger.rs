//! The pipeline against a real Jaeger: what its users see there. Jaeger is built by `deploy/jaeger/install`; without it this is left
//! out, with a line that says so.

use local_stack::Jaeger;
use system_tests::{
    Pipeline, Service, await_cases, jaeger_services, jaeger_settled,
    otlp::Observed,
    traced::{assert_case, read_topics},
};

/// Records of every stream, dialect and fate, and those of a generator: Jaeger has each tree whole, with its links.
#[test]
fn jaeger_has_every_tree_and_link() {
    if let Err(error) = Jaeger::program() {
        println!("left out: {error}");
        return;
    }
    let pipeline = Pipeline::with_jaeger();
    let jaeger = pipeline.stack.jaeger.as_ref().expect("Jaeger was asked for");
    pipeline.close_tables();
    pipeline.observe(&Observed::at(&jaeger.otlp_endpoint(), 1));
    let _consumers = pipeline.spawn_consumers();
    let cases = pipeline.send_cases();
    let generator = pipeline.spawn(Service::TrafficGenerator, &["--count", "20", "--rate", "200"]);
    generator.wait(system_tests::PATIENCE).expect("it ends");
    await_cases(&pipeline, &cases);
    let spans = jaeger_settled(jaeger);
    let services = jaeger_services(jaeger);
    assert_eq!(services, ["mariadb-writer", "traffic-generator", "validator"]);
    let topics = read_topics(&pipeline);
    for case in &cases {
        assert_case(&spans, &topics, case);
    }
    for send in spans.named("send traffic.events") {
        let tree = spans.tree(&send.trace_id);
        assert!(tree.contains("\n        INSERT traffic_events"), "{tree}");
    }
    assert_eq!(spans.named("send traffic.events").count(), 20);
}
