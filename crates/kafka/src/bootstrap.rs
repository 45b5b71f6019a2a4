//! Gives a client its bootstrap servers again after it has lost all of its brokers.
//!
//! A broker that shuts down may answer with an empty list of brokers. librdkafka then forgets the last one that it knew, and asks nobody
//! any more while the cluster has long been back: <https://github.com/confluentinc/librdkafka/issues/5301>, open in November 2026.

use std::{
    ffi::CStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, bindings,
    client::Client,
    error::{KafkaError, RDKafkaErrorCode},
};

/// The longest list of bootstrap servers that is read back.
const SERVERS_BYTES_MAX: usize = 8192;
/// For so long after the loss the servers are given again, since what forgets them may come after the loss is told,
const LASTS: Duration = Duration::from_mins(1);
/// and so often.
const EVERY: Duration = Duration::from_secs(1);

/// Whether a client has lost all of its brokers, for clients that wait for events alone and see no operation fail.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    is_lost: AtomicBool,
    /// Since when, and when the servers were given last.
    since: Mutex<Option<(Instant, Instant)>>,
}

impl Lost {
    /// Takes in what a client was told: that all of its brokers are down counts.
    pub(crate) fn hear(&self, error: &KafkaError) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// Gives the servers again, if they were lost a short time ago.
    pub(crate) fn mend<C: ClientContext>(&self, client: &Client<C>) {
        if self.is_due() {
            again(client);
        }
    }

    fn is_due(&self) -> bool {
        if !self.is_lost.load(Ordering::Relaxed) {
            return false;
        }
        let now = now();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = *since.get_or_insert((now, now));
        if now.duration_since(first) > LASTS {
            self.is_lost.store(false, Ordering::Relaxed);
        }
        let is_due = now.duration_since(last) >= EVERY;
        if is_due {
            *since = Some((first, now));
        }
        is_due
    }
}

/// Gives a client its bootstrap servers again; those that it has stay as they are. The client remembers each time, until its own end, so
/// this is for clients that are silent, and not for each attempt.
#[expect(unsafe_code, reason = "rdkafka has no safe way to add brokers to a client")]
pub(crate) fn again<C: ClientContext>(client: &Client<C>) {
    let mut servers = [0_u8; SERVERS_BYTES_MAX];
    let mut size = servers.len();
    // SAFETY: `client` owns the handle, which is valid as long as the borrow, and the settings belong to the handle. The name ends with
    // a zero; at most `size` bytes are written, which is the buffer's length.
    let read = unsafe {
        let settings = bindings::rd_kafka_conf(client.native_ptr());
        let name = c"bootstrap.servers".as_ptr();
        bindings::rd_kafka_conf_get(settings, name, servers.as_mut_ptr().cast(), &raw mut size)
    };
    let Ok(servers) = CStr::from_bytes_until_nul(&servers) else { return };
    // `size` is now what the text needs: of one that was cut, the last name would be none.
    let is_whole = size <= SERVERS_BYTES_MAX && !servers.is_empty();
    if read != bindings::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK || !is_whole {
        return;
    }
    // SAFETY: the handle is valid as above, and the text, which ends with a zero, is copied before the call returns.
    unsafe { bindings::rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long ago brokers were lost; decides nothing about records"
)]
fn now() -> Instant {
    Instant::now()
}
