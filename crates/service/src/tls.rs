//! Failures of TLS, found among the causes of others: what is wrong, and what to do about it.

use std::error::Error as StdError;
use std::io;

use rustls::{CertificateError, Error as TlsError};

/// What to do about an error that comes of TLS itself; `None` if it has another cause, such as a broken connection.
///
/// Nothing changes by waiting then: somebody has to change a setting or a certificate.
pub fn tls_advice(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let mut causes = std::iter::successors(Some(error), |&cause| inner(cause));
    let tls = causes.find_map(|cause| cause.downcast_ref::<TlsError>())?;
    Some(match tls {
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "name the host as its certificate does",
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "renew its certificate"
        }
        TlsError::InvalidCertificate(_) => {
            "trust the authority (CA) that signed its certificate, or see that this is the right server"
        }
        TlsError::AlertReceived(rustls::AlertDescription::InternalError) => return None,
        TlsError::AlertReceived(_) => "it wants another certificate of this client, or one at all",
        TlsError::InvalidMessage(_) => "it does not speak TLS there",
        _ => "correct the settings of TLS on either side",
    })
}

/// The next cause; an I/O error passes over the error that it was made of.
fn inner<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error as TlsError};
    use std::io;

    use super::tls_advice;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot reach the harbour")]
    struct Outer(#[source] io::Error);

    /// An error of TLS is found below others; a connection that was cut has none.
    #[test]
    fn errors_of_tls_are_found() {
        let stranger = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = Outer(io::Error::new(io::ErrorKind::InvalidData, stranger));
        assert!(tls_advice(&error).is_some_and(|advice| advice.contains("authority")));
        let cut = Outer(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"));
        assert_eq!(tls_advice(&cut), None);
    }
}
