//! A candidate bundle that is asked along.

use tidegate::ledger::Event;

use crate::binary::{Served, check};
use crate::harness::{ELBE, ODER, WESER, exchange as send, records};
use crate::reload::closed_bundle;

#[test]
fn a_candidate_changes_no_answer_and_what_it_would_have_said_is_on_record() {
    let data = tempfile::tempdir().unwrap();
    let candidate = closed_bundle();
    let mut served = Served::start(data.path(), &["--shadow", candidate.path().to_str().unwrap()]);
    let token = served.connector();
    let mut allowed = Vec::new();
    for partner in [WESER, ODER, WESER] {
        let answer = send(served.address, &served.exchange(&token, partner).bytes()).unwrap();
        if answer.status == 200 {
            allowed.push(answer.record().unwrap().to_owned());
        }
    }
    assert_eq!(allowed.len(), 2, "the bundle in force decides");
    served.signal("-TERM");
    assert_eq!(served.wait(), Some(0));
    let told: Vec<_> = records(data.path(), "platform")
        .into_iter()
        .filter_map(|stored| match stored.record.event {
            Event::Shadow(shadowed) => Some(shadowed),
            _ => None,
        })
        .collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (told.left_out, told.changed.get("allow-to-deny")),
        (0, Some(&2)),
        "{told:?}"
    );
    for record in &allowed {
        assert!(told.records.iter().any(|id| record.ends_with(&id.to_string())));
    }
    assert!(!records(data.path(), ELBE).is_empty());
    check(&["ledger", "verify", data.path().to_str().unwrap()], 0);
}
