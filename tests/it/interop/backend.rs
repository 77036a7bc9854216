//! Tidegate behind a connector's own data plane: the partner fetches there, and that asks Tidegate with the tenant's client and with the
//! headers that Tractus-X's extension adds. Tidegate has no part in the transfer, and decides at each access all the same, though it may hear of the
//! agreement then for the first time.

use serde_json::json;
use tidegate::dataspace::flow::Dialect;
use tidegate::decision::Effect;

use super::edc::{Build, Client};
use super::exchange::newest;
use super::generation::{context, dialect};
use super::steps::Handed;
use super::{ASSET, OTHER_PURPOSE, Scene, with_client};
use crate::harness::{ELBE, WESER, block_on};

impl Scene {
    /// What the provider's operator does: names the client in the address of an asset that Tidegate published.
    fn name_client(&self, asset: &str, client: &Client<'_>) {
        let mut known = self.provider.manage("GET", &format!("/assets/{asset}"), None);
        for (name, value) in [
            ("oauth2:tokenUrl", client.token_url),
            ("oauth2:clientId", client.id),
            ("oauth2:clientSecretKey", "backend"),
        ] {
            known["dataAddress"][name] = json!(value);
        }
        known["@context"] = context();
        self.provider.manage("PUT", "/assets", Some(known));
    }

    /// Fetches the footprint at the connector's own data plane; the status and the body.
    fn fetch_there(&self, handed: &Handed, headers: &[(&str, &str)]) -> (u16, Vec<u8>) {
        self.now();
        let url = format!("{}/pcf/{}/submodel/$value", handed.endpoint, self.footprint());
        let mut request = reqwest::Client::new().get(url).header("Authorization", &handed.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
        })
    }

    fn check_refused_there(&self, handed: &Handed, headers: &[(&str, &str)], policy: &str, of: &str) {
        let (status, body) = self.fetch_there(handed, headers);
        let body = String::from_utf8_lossy(&body);
        assert_eq!(
            status, 500,
            "{of}: EDC has one answer to whatever its backend refuses: {body}"
        );
        let (effect, policies) = newest(self, "access");
        assert_eq!(
            (effect, policies.as_slice()),
            (Effect::Deny, &[policy.to_owned()][..]),
            "{of}"
        );
        println!("  {of}: {status} {body}; Tidegate decided by {policy}");
    }
}

#[test]
#[ignore = "needs Java and the connector that tests/interop/run builds"]
fn a_connectors_own_data_plane_asks_tidegate_at_each_access() {
    if dialect() == Dialect::Dps || !Build::OwnDataPlane.jar().exists() {
        println!("LEFT OUT: there is no EDC of this version with a data plane of its own; see tests/interop/run");
        return;
    }
    let scene = Scene::start(Build::OwnDataPlane);
    scene.published();
    // This connector has its own data plane, and is to use no other.
    scene
        .provider
        .forget_data_plane(&format!("tidegate-{}", ELBE.to_ascii_lowercase()));
    for asset in [ASSET, OTHER_PURPOSE] {
        with_client(&scene.service, ELBE, |client| scene.name_client(asset, client));
    }

    let agreement = scene.agree(ASSET);
    let handed = scene.handed(&agreement);
    println!("  the data space URL: {}", handed.endpoint);
    assert!(handed.endpoint.ends_with("/api/public"), "{}", handed.endpoint);
    let own = scene.provider_id(&agreement);
    let (status, body) = scene.fetch_there(&handed, &[]);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert_eq!(
        body,
        scene.service.sound_exchange().send(scene.service.address).body,
        "byte for byte"
    );
    assert_eq!(newest(&scene, "access").0, Effect::Allow);
    println!("  {} bytes", body.len());

    // EDC starts this transfer, too: it knows no purposes.
    let other = scene.agree(OTHER_PURPOSE);
    let elsewhere = scene.handed(&other);
    let of = "under an agreement on another asset";
    scene.check_refused_there(&elsewhere, &[], "exchange/access-asset", of);
    // What the partner says of itself does not pass the connector's data plane.
    let forged = [("Edc-Contract-Agreement-Id", own.as_str()), ("Edc-Bpn", WESER)];
    scene.check_refused_there(&elsewhere, &forged, "exchange/access-asset", "with forged headers");
    let stranger = scene.backend("BPNL00000000D4GH", &own);
    stranger.check_problem(403, "forbidden", "another BPN");
    assert_eq!(newest(&scene, "access").1, ["exchange/agreement-parties"]);
    println!("  another BPN than the agreement's: 403");

    assert_eq!(scene.retire(&own, "the supplier withdrew").status, 200);
    scene.check_refused_there(&handed, &[], "exchange/agreement-in-force", "retired");
}
