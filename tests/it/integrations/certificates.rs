//! Systems that prove themselves by a client certificate: over TLS that ends here, and by a header where the configuration names one.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::http::server::{Tls, serve_tls};
use tidegate::http::tls::acceptor;
use tidegate::ids::Digest;

use super::{add, fresh, system};
use crate::harness::{ELBE, ISAR, Service, block_on, footprint, spawn};

/// A client's certificate, and its key.
struct Client {
    der: Vec<u8>,
    pem: String,
    key: String,
}

/// A certificate for `name`, of an authority of its own or of none, valid in the years given.
fn client(name: &str, issuer: Option<&Issuer<'static, KeyPair>>, years: (i32, i32)) -> Client {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Client {
        der: certificate.der().to_vec(),
        pem: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn authority() -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    Issuer::new(params, KeyPair::generate().unwrap())
}

fn pinned(id: &str, client: &Client) -> Value {
    system(id, json!({ "certificate": [{ "digest": Digest::of(&client.der) }] }))
}

/// A service that speaks TLS as well: where, and the certificate it is known by.
struct Secured {
    service: Service,
    address: SocketAddr,
    certificate: String,
    _files: TempDir,
}

impl Secured {
    fn start() -> Self {
        let service = Service::start();
        let files = tempfile::tempdir().unwrap();
        let server = client("localhost", None, (2020, 2999));
        let write = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::File::create(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            path
        };
        let acceptor = acceptor(&write("chain.pem", &server.pem), &write("key.pem", &server.key)).unwrap();
        let listener = block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        spawn(serve_tls(
            Arc::clone(&service.app),
            Tls { listener, acceptor },
            std::future::pending(),
        ));
        Self {
            service,
            address,
            certificate: server.pem,
            _files: files,
        }
    }

    /// Hands a footprint of `owner` in at its door, as whoever has that certificate; gives the status and the body.
    fn hand_in(&self, as_whom: Option<&Client>, owner: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let root = reqwest::Certificate::from_pem(self.certificate.as_bytes()).unwrap();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .resolve("localhost", self.address)
            .timeout(Duration::from_secs(20));
        if let Some(client) = as_whom {
            let both = format!("{}{}", client.pem, client.key);
            builder = builder.identity(reqwest::Identity::from_pem(both.as_bytes()).unwrap());
        }
        let url = format!("https://localhost:{}/ingest/{owner}/footprints", self.address.port());
        let mut request = builder
            .build()
            .unwrap()
            .post(url)
            .body(footprint("9.0.0", owner, &fresh()));
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let body = response.bytes().await.unwrap();
            (status, serde_json::from_slice(&body).unwrap())
        })
    }
}

#[test]
fn a_system_is_known_by_its_very_certificate_and_by_no_name_or_authority() {
    let secured = Secured::start();
    let authority = authority();
    let sap = client("sap.elbe.example", Some(&authority), (2020, 2999));
    let twin = client("sap.elbe.example", Some(&authority), (2020, 2999));
    let expired = client("old.elbe.example", Some(&authority), (2020, 2021));
    let future = client("new.elbe.example", Some(&authority), (2998, 2999));
    assert_eq!(secured.hand_in(Some(&sap), ELBE, &[]).0, 401, "nobody's yet");
    for (id, client) in [("sap", &sap), ("old", &expired), ("new", &future)] {
        add(&secured.service, &pinned(id, client));
    }
    let (status, body) = secured.hand_in(Some(&sap), ELBE, &[]);
    assert_eq!(status, 201, "{body}");
    assert_eq!(secured.hand_in(Some(&sap), ISAR, &[]).0, 401, "another company's door");
    assert_eq!(
        secured.hand_in(Some(&twin), ELBE, &[]).0,
        401,
        "the same name, the same authority"
    );
    assert_eq!(secured.hand_in(Some(&expired), ELBE, &[]).0, 401, "its time is over");
    assert_eq!(
        secured.hand_in(Some(&future), ELBE, &[]).0,
        401,
        "its time has not come"
    );
    assert_eq!(secured.hand_in(None, ELBE, &[]).0, 401, "none");
}

#[test]
fn over_tls_a_token_counts_as_it_does_elsewhere_and_a_certificate_lends_it_nothing() {
    let secured = Secured::start();
    let sap = client("sap.elbe.example", None, (2020, 2999));
    add(&secured.service, &pinned("sap", &sap));
    let token = format!("Bearer {}", secured.service.integration(ELBE));
    assert_eq!(secured.hand_in(None, ELBE, &[("authorization", &token)]).0, 201);
    // Whoever sends a token is judged by it, whatever the connection shows.
    assert_eq!(
        secured.hand_in(Some(&sap), ELBE, &[("authorization", "Bearer x")]).0,
        401
    );
    assert_eq!(secured.hand_in(Some(&sap), ELBE, &[("x-api-key", "x")]).0, 401);
}

#[test]
fn a_header_that_nobody_configured_proves_nothing() {
    let service = Service::start();
    let sap = client("sap.elbe.example", None, (2020, 2999));
    add(&service, &pinned("sap", &sap));
    let encoded = percent_encoding::utf8_percent_encode(&sap.pem, percent_encoding::NON_ALPHANUMERIC).to_string();
    for name in ["x-amzn-mtls-clientcert-leaf", "x-amzn-mtls-clientcert", "x-client-cert"] {
        let answer = super::hand_in(&fresh()).header(name, &encoded).send(service.address);
        answer.check_problem(401, "unauthenticated", name);
    }
}

#[test]
fn the_header_that_is_configured_is_read_and_no_other() {
    let service = Service::behind("x-amzn-mtls-clientcert-leaf");
    let (sap, other) = (
        client("sap.elbe.example", None, (2020, 2999)),
        client("x.example", None, (2020, 2999)),
    );
    add(&service, &pinned("sap", &sap));
    let encoded = |client: &Client| {
        percent_encoding::utf8_percent_encode(&client.pem, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let ask = |name: &str, value: &str| super::hand_in(&fresh()).header(name, value);
    let leaf = "x-amzn-mtls-clientcert-leaf";
    let answer = ask(leaf, &encoded(&sap)).send(service.address);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let refused = [
        (ask(leaf, &encoded(&other)), "a certificate that nobody pinned"),
        (ask(leaf, "x"), "no certificate"),
        (ask(leaf, ""), "nothing"),
        (ask(leaf, &encoded(&sap)).header(leaf, encoded(&sap)), "two"),
        (ask("x-amzn-mtls-clientcert", &encoded(&sap)), "another header"),
    ];
    for (ask, what) in refused {
        ask.send(service.address).check_problem(401, "unauthenticated", what);
    }
}
