//! `cargo run -p local-stack`: a stack for working by hand, until Ctrl-C.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use local_stack::{Error, Kafka, Options, Progress, Stack, User};

fn main() -> ExitCode {
    let progress = Progress::to(|line| say(&format!("{line}\n")));
    match Stack::start(Options { progress, ..Options::default() }) {
        Ok(stack) => {
            say(&summary(&stack));
            wait_for_signal();
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn summary(stack: &Stack) -> String {
    let pid = |pid: Option<u32>| pid.map_or_else(|| "gone".to_owned(), |pid| pid.to_string());
    format!(
        "kafka    {} (version {}, pid {})\nregistry {}\nmariadb  {} (pid {})\ninside   {}\nfolder   {}\nready, Ctrl-C ends it\n",
        stack.kafka.bootstrap_servers(),
        Kafka::VERSION,
        pid(stack.kafka.pid()),
        stack.registry.url(),
        stack.mariadb.url(User::Writer),
        pid(stack.mariadb.pid()),
        stack.mariadb.client_command(User::Reader),
        stack.folder().path().display(),
    )
}

/// Without a way to hear signals there is no reason to stay.
fn wait_for_signal() {
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        runtime.block_on(tokio::signal::ctrl_c()).ok();
    }
}

fn say(text: &str) {
    io::stdout().write_all(text.as_bytes()).ok();
}

fn complain(error: &Error) {
    let mut text = format!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    writeln!(io::stderr(), "{text}").ok();
}
