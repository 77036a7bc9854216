//! One Tidegate fetches from another's PACT endpoint: nothing between the two is ours to fake.

use serde_json::json;

use super::*;
use crate::harness::WESER;

#[test]
fn what_one_tidegate_serves_another_takes_to_the_byte() {
    let (there, here) = (Service::start(), Service::start());
    let all = there.manifest["pact"].as_array().unwrap();
    let client = all
        .iter()
        .find(|made| made["bpnl"] == ELBE && made["partner"] == WESER)
        .unwrap();
    let url = client["url"].as_str().unwrap();
    let credentials = json!({
        "tokenEndpoint": format!("{url}/auth/token"), "clientId": client["client_id"], "clientSecret": client["client_secret"],
    });
    keep_secret(&here, &credentials.to_string());
    // What the dev world has is there and here; one more is only there.
    let id = fresh();
    let handed_in = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-ethanol"))
        .bearer(&there.integration(ELBE))
        .json(footprint("10.0.0", ELBE, &id))
        .send(there.address);
    assert_eq!(handed_in.status, 201, "{}", handed_in.text());
    let auth = json!({ "oauth2": { "secret": SECRET, "scope": "footprint:list footprint:read" } });
    let run = first_run(&here, &system("elbe", json!({ "pact": { "url": url } }), auth));
    assert_eq!(run["state"], "complete", "{run}");
    assert_eq!(counts(&run), [1, 1, 3, 0], "{run}");
    let registry = here.app.registry.current();
    let fetched: Vec<String> = registry
        .tenant(tenant())
        .unwrap()
        .footprints
        .values()
        .map(|one| one.id.to_string())
        .collect();
    assert!(fetched.len() == 4 && fetched.contains(&id), "{fetched:?}");
    for id in &fetched {
        let (served, taken) = (stored(&there, id).unwrap(), stored(&here, id).unwrap());
        // White space around a document is none of it.
        assert_eq!(taken, served.trim_ascii(), "{id}");
    }
    check_secret(&here, client["client_secret"].as_str().unwrap());
}
