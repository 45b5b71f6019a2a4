//! The registry behind TLS and basic authentication.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::IntoResponse as _,
    serve::Listener,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::routes::answer;
use crate::Security;

/// How long a client may take to agree on TLS.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(1);
/// The registry's code for whoever does not sign in.
const UNAUTHORIZED: u16 = 40_101;

/// Accepts connections that agree on TLS; others are dropped.
pub(super) struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(super) fn new(listener: TcpListener, security: &Security) -> io::Result<Self> {
        let certificates = CertificateDer::pem_file_iter(&security.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(&security.key).map_err(io::Error::other)?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(io::Error::other)?;
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let agreed = tokio::time::timeout(HANDSHAKE_LIMIT, self.acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = agreed {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The same routes for those alone who sign in.
pub(super) fn guarded(routes: Router, security: &Security) -> Router {
    let pair = format!("{}:{}", security.user, security.password);
    let expected = format!("Basic {}", BASE64_STANDARD.encode(pair));
    routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let is_let_in = given == Some(expected.as_bytes());
        async move {
            if is_let_in {
                return next.run(request).await;
            }
            let body = json!({ "error_code": UNAUTHORIZED, "message": "Unauthorized" });
            answer(StatusCode::UNAUTHORIZED, &body).into_response()
        }
    }))
}
