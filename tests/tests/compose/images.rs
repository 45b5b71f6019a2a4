//! Our images: small, described, and started as they say they are.

use serde_json::Value as Json;

use crate::{containers::Container, stack::Stack};

/// Megabytes, as `docker images` counts them.
const SIZE_MAX_BYTES: u64 = 60_000_000;

/// The names of our images that containers are made of.
pub(crate) fn ours(stack: &Stack) -> Vec<String> {
    let mut images: Vec<String> = stack.containers().iter().map(Container::image).collect();
    images.retain(|image| image.starts_with("turnpike/"));
    images.sort_unstable();
    images.dedup();
    assert_eq!(images.len(), 6, "{images:?}");
    images
}

/// Each has its size, user, signal, labels, and what is started is the binary itself.
pub(crate) fn small_and_described(stack: &Stack) {
    for image in ours(stack) {
        let inspected = stack.docker(&["image", "inspect", &image]);
        let inspected: Json = serde_json::from_str(&inspected).expect("JSON");
        let (size, config) = (inspected[0]["Size"].as_u64(), &inspected[0]["Config"]);
        assert!(size < Some(SIZE_MAX_BYTES), "{image} has {size:?} bytes");
        assert_eq!(config["User"], "65532:65532", "{image}");
        assert_eq!(config["StopSignal"], "SIGTERM", "{image}");
        let name = image.split(['/', ':']).nth(1).expect("turnpike/NAME:TAG");
        assert_eq!(config["Entrypoint"], Json::from([name]), "{image}");
        let check = &config["Healthcheck"]["Test"];
        assert_eq!(
            *check,
            if name == "turnpike" { Json::from(["NONE"]) } else { Json::from(["CMD", name, "healthcheck"]) }
        );
        let labels = config["Labels"].as_object().expect("labels");
        for label in ["title", "description", "licenses", "version"] {
            assert!(
                labels.contains_key(&format!("org.opencontainers.image.{label}")),
                "{image} says no {label}"
            );
        }
    }
}
