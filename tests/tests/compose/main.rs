//! The stack in containers, driven by the make targets as its users do: it starts, keeps what it promises, loses nothing whatever is
//! killed or restarted, and says beforehand what keeps it from starting.
//!
//! The containers are a project of their own, `turnpike-test`, on free ports and with passwords of their own, so a stack that
//! runs on this machine is not touched. They are asked for by `make test-compose`; what needs no engine is in [`preflight`].

#![expect(
    clippy::print_stdout,
    reason = "the test takes minutes: it says how far it is, and shows what its users would see"
)]

mod books;
mod confined;
mod containers;
mod faults;
mod images;
mod loopback;
mod observed;
mod preflight;
mod secrets;
mod settings;
mod stack;

use service::clock;

use stack::Stack;

/// From nothing to running and proved, through every fault, and down again.
#[test]
fn the_containers_keep_their_promises() {
    let stack = match Stack::wanted() {
        Ok(stack) => stack,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    step("make up", || stack.up());
    step("make verify", || stack.verify());
    step("Prometheus finds every service", || observed::prometheus_finds_all(&stack));
    step("only loopback is listened on", || loopback::only(&stack));
    step("every process is confined", || confined::all(&stack));
    step("our images are small", || images::small_and_described(&stack));
    step("no secret is anywhere else", || secrets::nowhere_else(&stack));
    step("make scale N=2", || faults::scaled_to_two(&stack));
    step("a container of each kind is killed", || faults::each_kind_is_killed(&stack));
    step("Kafka and MariaDB are restarted", || faults::kafka_and_mariadb_are_restarted(&stack));
    step("all are restarted", || faults::all_are_restarted(&stack));
    step("it is proved again", || stack.verify_after_faults());
    step("nothing is lost, nothing doubled", || books::balance(&stack));
    step("no secret was logged", || secrets::nowhere_logged(&stack));
    step("other passwords for an old volume", || faults::passwords_are_changed(&stack));
    step("a backup outlives the volumes", || faults::restored_from_a_backup(&stack));
    step("it is proved again", || stack.verify_after_faults());
    step("nothing is lost, nothing doubled", || books::balance(&stack));
    step("no secret was logged", || secrets::nowhere_logged(&stack));
    step("make down", || stack.down());
}

fn step(name: &str, run: impl FnOnce()) {
    let since = clock::instant();
    run();
    println!("{:>5.1} s  {name}", since.elapsed().as_secs_f64());
}
