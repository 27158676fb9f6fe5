//! Whose certificates are trusted, and what is said of one that is not.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// What is said of a file of certificates that cannot be read.
pub(super) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("the certificates of `ca`, {}, cannot be read: {error}", path.display())
}

/// Trusts what the system trusts, and the certificates of a file.
pub(super) fn config(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // One that is broken is nobody's who will be met.
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(path, &error))?;
        if certificates.is_empty() {
            return Err(unreadable(path, &"there is none in it, in PEM"));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| unreadable(path, &error))?;
        }
    }
    if roots.is_empty() {
        let why: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "this system trusts no certificates ({}): install its package of them, or name a file in `ca` of the webhook",
            if why.is_empty() { "there are none".to_owned() } else { why.join("; ") }
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Why whoever answered is not trusted, if that is what an error is about.
pub(super) fn reason(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(words(found));
        }
        // An error of input and output keeps what it is about inside, and names that one's cause as its own.
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}

fn words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(about) = error else {
        return format!("there is no encrypted connection to it: {error}");
    };
    match about {
        CertificateError::UnknownIssuer => {
            "its certificate is signed by an authority that is not trusted here; name a file with that authority's \
             certificate in `ca` of the webhook"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host than the URL names".to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        other => format!("its certificate is not trusted: {other}"),
    }
}
