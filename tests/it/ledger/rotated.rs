//! The keys of a service's ledger are changed between two of its runs: a follower that knows the old key goes on over HTTP.

use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;

use super::served::{decided, key, read};
use crate::binary::check;
use crate::harness::{ELBE, Service, within_a_minute};

#[test]
fn a_follower_goes_on_with_the_old_key_over_http() {
    let service = Service::start();
    let index = decided(&service);
    let old = key(&service, ELBE).to_string();
    let place = tempfile::tempdir().unwrap();
    let [token, state] = ["token", "state"].map(|name| place.path().join(name).display().to_string());
    let follow = |service: &Service| {
        std::fs::write(&token, service.person(ELBE, "anna")).unwrap();
        let url = format!("http://{}/ledger/{ELBE}", service.address);
        let args = [
            "ledger",
            "follow",
            &url,
            "--key",
            &old,
            "--token-file",
            &token,
            "--state",
            &state,
            "--once",
        ];
        check(&args, 0)
    };
    within_a_minute(|| {
        let answer = read(&service, &service.person(ELBE, "anna"), &format!("inclusion/{index}"));
        (answer.status == 200).then_some(()).ok_or("it is not signed yet")
    });
    follow(&service);
    let data = service.stop();
    let at = data.path().display().to_string();
    let told = check(&["ledger", "rotate-key", "--data", &at], 0);
    assert!(told.contains("have a new key"), "{told}");
    check(&["ledger", "verify", &at, "--key", &old], 0);
    check(&["replay", "--data", &at], 0);

    let service = Service::on(data, Clock::system(), BundleSource::BuiltIn, None).unwrap();
    let new = key(&service, ELBE).to_string();
    assert_ne!(old, new);
    let told = follow(&service);
    assert!(told.contains("grown from") && told.contains(&new), "{told}");
    let changes = read(&service, &service.person(ELBE, "anna"), "key-changes").json();
    let note = changes[0].as_str().unwrap();
    assert!(note.contains(&format!("tidegate-key-from {old}\n")), "{note}");
    assert!(note.contains(&format!("tidegate-key-to {new}\n")), "{note}");
}
