//! The MariaDB writer's executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    let description = service::Description {
        name: "mariadb-writer",
        about: "Stores records of Kafka topics in MariaDB tables, each exactly once",
        examples: "mariadb-writer --connectors deploy/connectors --mariadb-url jdbc:mariadb://localhost:3306\n\
                   mariadb-writer --print-config",
    };
    service::run(&description, mariadb_writer::run)
}
