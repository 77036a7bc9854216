//! The Data Plane Signaling TCK judges Tidegate as a data plane; see `tests/interop/tck/README.md`.
//!
//! What passes and what does not is written down, each exception with its reason. A case that comes to pass, or to fail, fails this
//! test: the list must say how it is.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{ELBE, HOLDS, Service, WESER};

/// Tidegate serves transfers in which the consumer fetches. Footprints are exchanged so (CX-0136), and a provider that pushes would
/// have to send data without a decision about each.
const PUSH: &str = "transfers in which the provider pushes are not served";
/// Each start is decided before it is answered, so there is nothing to come later.
const LATER: &str = "no flow begins later than its answer";
/// An API is used until the agreement ends: the provider cannot know when the consumer has all it wants.
const ENDLESS: &str = "a flow of Tidegate's does not complete by itself";
/// The profile names them as optional, and connectors hand out addresses without.
const OPTIONAL: &str = "an address without renewal is taken: the profile does not demand it, and EDC sends none";

/// Every case of the kit, with the reason where it is not met.
const CASES: [(&str, Option<&str>); 28] = [
    ("DP_P_PULL:01-01", None),
    ("DP_P_PULL:01-02", None),
    ("DP_P_PULL:02-01", None),
    ("DP_P_PULL:02-02", None),
    ("DP_P_PULL:04-01", Some(LATER)),
    ("DP_P_HTTP_PULL:01-01", None),
    ("DP_P_HTTP_PULL:02-01", None),
    ("DP_P_HTTP_PULL:02-02", None),
    ("DP_P_PUSH:01-01", Some(PUSH)),
    ("DP_P_PUSH:01-02", Some(PUSH)),
    ("DP_P_PUSH:02-01", Some(PUSH)),
    ("DP_P_PUSH:02-02", Some(PUSH)),
    ("DP_P_PUSH:03-01", Some(PUSH)),
    ("DP_P_PUSH:04-01", Some(PUSH)),
    ("DP_C_PULL:01-01", None),
    ("DP_C_PULL:01-02", None),
    ("DP_C_PULL:02-01", None),
    ("DP_C_PULL:02-02", None),
    ("DP_C_PULL:03-01", Some(ENDLESS)),
    ("DP_C_PULL:04-01", Some(LATER)),
    ("DP_C_HTTP_PULL:01-01", None),
    ("DP_C_HTTP_PULL:02-01", Some(OPTIONAL)),
    ("DP_C_PUSH:01-01", Some(PUSH)),
    ("DP_C_PUSH:01-02", Some(PUSH)),
    ("DP_C_PUSH:02-01", Some(PUSH)),
    ("DP_C_PUSH:02-02", Some(PUSH)),
    ("DP_C_PUSH:03-01", Some(PUSH)),
    ("DP_C_PUSH:04-01", Some(PUSH)),
];

/// What the kit is told: where Tidegate is, whose token it shows, and an agreement that is on record for each case.
fn settings(service: &Service, port: u16, did: &str) -> String {
    let asset = service.agreement(HOLDS)["asset"].as_str().unwrap();
    let mut text = format!(
        "dataspacetck.dps.dataplane.url=http://{}\n\
         dataspacetck.dps.dataplane.authorization=Bearer {}\n\
         dataspacetck.dps.dataplane.provider.id={ELBE}\n\
         dataspacetck.dps.dataplane.counterparty.id={did}\n\
         dataspacetck.host=127.0.0.1\n\
         dataspacetck.port={port}\n\
         dataspacetck.callback.address=http://localhost:{port}\n\
         dataspacetck.dps.default.wait=2\n\
         dataspacetck.ansi=false\n",
        service.address,
        service.connector(ELBE)
    );
    for (case, _) in CASES {
        let case = case.replace([':', '-'], "_");
        writeln!(text, "{case}_AGREEMENTID={HOLDS}\n{case}_DATASETID={asset}").unwrap();
    }
    text
}

#[test]
#[ignore = "needs Java and the kit that tests/interop/run builds where it can"]
fn the_conformance_kit_finds_what_is_written_down_here() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/tck/target/dps-tck.jar");
    let jar = std::env::var_os("DPS_TCK_JAR").map_or(built, PathBuf::from);
    assert!(
        jar.exists(),
        "`{}` is not there: see tests/interop/tck/README.md",
        jar.display()
    );
    let service = Service::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The kit is the consumer's client, and serves the document of its DID.
    let did = format!("did:web:localhost%3A{port}");
    service.change_partner(WESER, |weser| weser.did = Some(did.parse().unwrap()));
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("tck.properties");
    std::fs::write(&config, settings(&service, port, &did)).unwrap();
    let output = Command::new("java")
        .arg("-jar")
        .arg(&jar)
        .arg("-config")
        .arg(&config)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let failures: Vec<_> = told.lines().filter(|line| line.starts_with("  JUnit")).collect();
    let mut wrong = String::new();
    for (case, exception) in CASES {
        let failed = failures.iter().any(|line| line.contains(&format!(":{case}:")));
        let said = match (failed, exception) {
            (false, None) => "passes".to_owned(),
            (true, Some(reason)) => format!("is not met: {reason}"),
            (true, None) => "FAILED".to_owned(),
            (false, Some(_)) => "passes, and stands here as an exception".to_owned(),
        };
        if failed != exception.is_some() {
            writeln!(wrong, "{case} {said}").unwrap();
        }
        println!("  {case} {said}");
    }
    let met = CASES.iter().filter(|(_, exception)| exception.is_none()).count();
    let summary = format!("{met} passed, {} failed", CASES.len() - met);
    assert!(wrong.is_empty() && told.contains(&summary), "{wrong}\n{told}");
}
