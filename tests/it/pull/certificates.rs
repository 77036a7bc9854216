//! Who is at the other end: no credential is sent before the server's certificate has been verified, by whoever the document says.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::supplier::{Supplier, page};
use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of that name by the authority, good until the end of that year; chain and key as PEM.
struct Certified {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

const SERIAL: u64 = 4711;

fn certified(by: &Authority, name: &str, until: i32) -> Certified {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from(SERIAL));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 12, 31);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    Certified { certificate, key }
}

impl Certified {
    fn pem(&self) -> String {
        format!("{}{}", self.certificate.pem(), self.key.serialize_pem())
    }

    /// A server that shows this, and asks for certificates of `clients`, where it does.
    fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let chain = vec![self.certificate.der().clone()];
        let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(std::sync::Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        builder.with_single_cert(chain, key).unwrap()
    }
}

/// What the authority has revoked, in a list that was good until the end of that year.
fn revoked(by: &Authority, serials: &[u64], until: i32) -> String {
    let revoked_certs = serials.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2025, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2025, 1, 1),
        next_update: date_time_ymd(until, 12, 31),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked_certs.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(by).unwrap().pem().unwrap()
}

/// A run that goes to a server that shows `shown`, and believes what `trust` says. `name` is that of the system.
fn fetched(service: &Service, name: &str, shown: &Certified, trust: Value) -> (Supplier, Value) {
    let id = fresh();
    let items = vec![document(&id)];
    let supplier = Supplier::over_tls(shown.server(None), move |_| page(&items, None));
    let mut document = system(name, pact(&supplier), by_key());
    if !trust.is_null() {
        document["pull"]["trust"] = trust;
    }
    let run = first_run(service, &document);
    (supplier, run)
}

#[test]
fn the_authority_of_the_document_is_believed() {
    let ca = authority("Supplier CA");
    let shown = certified(&ca, "localhost", 2099);
    let service = Service::start();
    keep_secret(&service, KEY);
    for (name, trust) in [
        ("one", json!({ "authorities": ca.pem() })),
        (
            "among-others",
            json!({ "authorities": authority("Another").pem() + &ca.pem() }),
        ),
        (
            "not-revoked",
            json!({ "authorities": ca.pem(), "revoked": revoked(&ca, &[1], 2099) }),
        ),
    ] {
        let (supplier, run) = fetched(&service, name, &shown, trust);
        assert_eq!(run["state"], "complete", "{run}");
        assert_eq!(counts(&run), [1, 1, 0, 0]);
        assert_eq!(supplier.asked()[0].header("x-supplier-key"), KEY);
    }
}

#[test]
fn a_server_that_does_not_prove_itself_gets_nothing() {
    let (ca, other) = (authority("Supplier CA"), authority("Another CA"));
    let ours = || json!({ "authorities": ca.pem() });
    let with = |revoked: String| json!({ "authorities": ca.pem(), "revoked": revoked });
    let good = || certified(&ca, "localhost", 2099);
    let cases = [
        ("expired", certified(&ca, "localhost", 2021), ours(), "expired"),
        (
            "another's name",
            certified(&ca, "supplier.example", 2099),
            ours(),
            "not valid for name",
        ),
        (
            "another authority",
            certified(&other, "localhost", 2099),
            ours(),
            "UnknownIssuer",
        ),
        ("none that the machine knows", good(), Value::Null, "UnknownIssuer"),
        ("revoked", good(), with(revoked(&ca, &[1, SERIAL], 2099)), "Revoked"),
        (
            "of which no list speaks",
            good(),
            with(revoked(&other, &[], 2099)),
            "UnknownRevocationStatus",
        ),
        (
            "a list that is past its time",
            good(),
            with(revoked(&ca, &[], 2025)),
            "put the newest one there",
        ),
    ];
    let service = Service::start();
    keep_secret(&service, KEY);
    for (number, (what, shown, trust, told)) in cases.into_iter().enumerate() {
        let (supplier, run) = fetched(&service, &format!("s-{number}"), &shown, trust);
        assert_eq!(run["state"], "failed", "{what}: {run}");
        assert!(problem(&run).contains(told), "{what}: {}", problem(&run));
        assert!(
            !problem(&run).contains("times"),
            "{what}: asked again in vain: {}",
            problem(&run)
        );
        assert!(supplier.asked().is_empty(), "{what}: something was sent");
    }
    check_secret(&service, KEY);
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks_for_it() {
    let (ca, clients) = (authority("Supplier CA"), authority("Clients of the supplier"));
    let id = fresh();
    let items = vec![in_pact(&id, &document(&id))];
    let shown = certified(&ca, "localhost", 2099);
    let supplier = Supplier::over_tls(shown.server(Some(&clients)), move |_| page(&items, None));
    let service = Service::start();
    let mut document = system("sap", pact(&supplier), json!({ "certificate": { "secret": SECRET } }));
    document["pull"]["trust"] = json!({ "authorities": ca.pem() });

    let stranger = certified(&authority("Somebody"), "tidegate", 2099);
    keep_secret(&service, &stranger.pem());
    let run = first_run(&service, &document);
    assert_eq!(run["state"], "failed", "{run}");
    assert!(
        problem(&run).contains("alert") && !problem(&run).contains("times"),
        "{run}"
    );
    assert!(supplier.asked().is_empty());

    let own = certified(&clients, "tidegate", 2099);
    keep_secret(&service, &own.pem());
    let run = next_run(&service, "sap");
    assert_eq!(run["state"], "complete", "{run}");
    assert_eq!(counts(&run), [1, 1, 0, 0]);
    let key = own.key.serialize_pem();
    check_secret(&service, key.lines().nth(1).unwrap());

    keep_secret(&service, &own.certificate.pem());
    let run = next_run(&service, "sap");
    assert!(problem(&run).contains("not a client certificate"), "{run}");
}
