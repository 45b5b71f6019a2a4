//! A schema registry in this process, with the routes, error codes and compatibility rules of Confluent's.
//!
//! Avro only, without references, contexts and deletion; everything is in memory.

use std::{
    io,
    net::{self, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use crate::{Error, Security};
use secured::Tls;
use store::Store;

mod compatibility;
mod refusal;
mod routes;
mod secured;
mod store;

/// A registry that can be taken away and brought back on the same port, with what was registered.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    security: Option<Security>,
    store: Arc<Mutex<Store>>,
    server: Mutex<Option<Server>>,
}

/// The thread that serves, until the sender goes.
#[derive(Debug)]
struct Server {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Registry {
    /// An empty registry for `port` of 127.0.0.1, not yet started.
    pub fn create(port: u16) -> Self {
        Self { port, security: None, store: Arc::default(), server: Mutex::default() }
    }

    /// The same behind TLS and basic authentication.
    #[must_use]
    pub fn secured_by(mut self, security: Option<Security>) -> Self {
        self.security = security;
        self
    }

    /// Takes the port and serves from a thread of its own; nothing happens if it serves already.
    pub fn start(&self) -> Result<(), Error> {
        let mut server = self.server();
        if server.is_none() {
            let started = serve(self.port, Arc::clone(&self.store), self.security.clone());
            *server = Some(started.map_err(|source| Error::Listen { port: self.port, source })?);
        }
        Ok(())
    }

    /// Cuts all connections and gives the port back; nothing happens if it does not serve.
    pub fn stop(&self) {
        if let Some(Server { stop, thread }) = self.server().take() {
            drop(stop);
            thread.join().ok();
        }
    }

    /// As in `schema.registry.url`.
    pub fn url(&self) -> String {
        match self.security {
            Some(_) => format!("https://localhost:{}", self.port),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Listens before it returns, so that the first request finds the port open.
fn serve(port: u16, store: Arc<Mutex<Store>>, security: Option<Security>) -> io::Result<Server> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let (stop, stopped) = oneshot::channel::<()>();
    #[expect(clippy::disallowed_methods, reason = "joined by Registry::stop")]
    let thread = std::thread::Builder::new().name("schema-registry".to_owned()).spawn(move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let routes = routes::router(store);
            let serving = async {
                match &security {
                    Some(security) => {
                        let listener = Tls::new(listener, security)?;
                        axum::serve(listener, secured::guarded(routes, security)).await
                    }
                    None => axum::serve(listener, routes).await,
                }
            };
            tokio::select! {
                served = serving => served,
                _ = stopped => Ok(()),
            }
        });
        if let Err(error) = served {
            tracing::warn!(%error, "the local schema registry has ended");
        }
        // Dropping the runtime cuts the connections, as a registry that goes away does.
    })?;
    Ok(Server { stop, thread })
}
