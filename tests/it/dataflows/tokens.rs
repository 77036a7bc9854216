//! The tokens of data flows: renewed, narrowed, replayed and forged.

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::BlockBuilder;
use serde_json::json;
use tidegate::ids::TenantId;

use super::{UNTIL, fetch, renew, started, states};
use crate::harness::{Answer, ELBE, HOLDS, ISAR, Service, WESER, get, post};

#[test]
fn a_token_is_renewed_and_an_answer_that_was_lost_loses_nothing() {
    let service = Service::shared();
    let flow = started(service, "renewed", HOLDS);
    let (second, next) = renew(service, &flow.refresh_token).unwrap();
    assert_ne!(second, flow.token);
    assert_eq!(fetch(service, HOLDS, &second).status, 200);
    // As if that answer was lost.
    let (third, again) = renew(service, &flow.refresh_token).unwrap();
    assert_eq!(again, next, "the same again, so that two who ask at once both go on");
    assert_ne!(third, second);
    let check_refused = |token: &str, of: &str| {
        let answer = renew(service, token).unwrap_err();
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({ "error": "invalid_grant" })),
            "{of}"
        );
    };
    check_refused("nothing.0.renewed", "no refresh token");
    check_refused(&flow.refresh_token.replace(".renewed", ".happy"), "of another flow");
    check_refused(&next.replace(".1.", ".2."), "of another number");
    let (fourth, last) = renew(service, &next).unwrap();
    assert_eq!(fetch(service, HOLDS, &fourth).status, 200);
    // Somebody still has what was used up: two hold what one was handed, and both lose it.
    check_refused(&flow.refresh_token, "the old one, once the new one was used");
    check_refused(&last, "and the good one with it");
    fetch(service, HOLDS, &fourth).check_problem(401, "unauthenticated", "and all tokens");
    assert_eq!(states(service, "renewed"), ["STARTED", "STARTED"]);
    // As Tractus-X asks: in the query.
    let flow = started(service, "by-query", HOLDS);
    let path = format!(
        "/exchange/{ELBE}/token?grant_type=refresh_token&refresh_token={}",
        flow.refresh_token
    );
    assert_eq!(post(&path).send(service.address).status, 200);
    let elsewhere = post(&format!("/exchange/{ISAR}/token"))
        .body(format!("grant_type=refresh_token&refresh_token={}", flow.refresh_token));
    assert_eq!(elsewhere.send(service.address).status, 400, "at another tenant");
    for odd in [
        "",
        "grant_type=password&refresh_token=x",
        "grant_type=refresh_token",
        "refresh_token=x",
    ] {
        assert_eq!(
            post(&format!("/exchange/{ELBE}/token"))
                .body(odd)
                .send(service.address)
                .status,
            400,
            "{odd}"
        );
    }
}

#[test]
fn a_token_that_is_no_good_here_has_one_answer_whatever_is_wrong_with_it() {
    let service = Service::shared();
    let flow = started(service, "replayed", HOLDS);
    let isar = &service.manifest["agreements"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["provider"] == ISAR)
        .unwrap()["id"];
    let at_isar = service.footprint_path(isar.as_str().unwrap());
    let stranger = tidegate::facts::edr::EdrKeys::from_seed(&[9; 32], 1);
    let dataspace = &service.app.dataspace;
    let verifier = dataspace
        .verifiers
        .of(ELBE.parse::<TenantId>().unwrap(), &dataspace.keys)
        .unwrap();
    let sound = verifier.verify(&flow.token, service.app.clock.now()).unwrap();
    let forged = stranger.mint(sound.grant()).unwrap();
    // A token for the right flow, signed by the right key, that the flow never took on.
    let unissued = service.app.dataspace.keys.mint(sound.grant()).unwrap();
    let expose = |minted: &tidegate::facts::edr::Minted| secrecy::ExposeSecret::expose_secret(&minted.token).to_owned();
    let mut flipped = flow.token.clone();
    let last = if flipped.ends_with("AA") { "gA" } else { "AA" };
    flipped.replace_range(flipped.len() - 2.., last);
    let mut expected: Option<Answer> = None;
    for (of, answer) in [
        (
            "another tenant",
            get(&at_isar).bearer(&flow.token).send(service.address),
        ),
        ("forged", fetch(service, HOLDS, &expose(&forged))),
        ("not issued", fetch(service, HOLDS, &expose(&unissued))),
        ("a changed byte", fetch(service, HOLDS, &flipped)),
        ("cut", fetch(service, HOLDS, &flow.token[..flow.token.len() - 40])),
        ("garbage", fetch(service, HOLDS, "garbage")),
        ("long", fetch(service, HOLDS, &"A".repeat(7000))),
    ] {
        answer.check_problem(401, "unauthenticated", of);
        let answer = answer.comparable();
        assert_eq!(&answer, expected.get_or_insert_with(|| answer.clone()), "{of}");
    }
}

#[test]
fn a_narrowed_token_covers_what_it_was_narrowed_to() {
    let service = Service::shared();
    let flow = started(service, "narrowed", HOLDS);
    let narrowed = |source: &str| {
        let token = UnverifiedBiscuit::from_base64(&flow.token).unwrap();
        token
            .append(BlockBuilder::new().code(source).unwrap())
            .unwrap()
            .to_base64()
            .unwrap()
    };
    let pcf = service.agreement(HOLDS)["pcf_id"].as_str().unwrap().to_owned();
    let status = |token: &str| fetch(service, HOLDS, token).status;
    assert_eq!(
        status(&narrowed(&format!("check if pcf(\"{pcf}\"), operation(\"read\");"))),
        200
    );
    assert_eq!(status(&narrowed("check if pcf(\"another\");")), 401);
    assert_eq!(status(&narrowed("check if operation(\"write\");")), 401);
    assert_eq!(status(&narrowed("check if time($t), $t < 2020-01-01T00:00:00Z;")), 401);
    assert_eq!(status(&narrowed("pcf(\"x\");")), 401, "a fact");
    let for_weser = narrowed(&format!("check if recipient(\"{WESER}\");"));
    assert_eq!(status(&for_weser), 200);
    let for_other = get(&service.footprint_path(HOLDS))
        .bearer(&for_weser)
        .header("Tidegate-Recipient", "BPNL00000000D4GH");
    assert_eq!(for_other.send(service.address).status, 401);
}

#[test]
fn the_headers_beside_a_token_cannot_make_it_another() {
    // Its own, for its log is counted.
    let service = &Service::start();
    let flow = started(service, "headers", HOLDS);
    let ask = |name: &str, value: &str| {
        get(&service.footprint_path(HOLDS))
            .bearer(&flow.token)
            .header(name, value)
            .send(service.address)
    };
    let before = service.records(ELBE).len();
    ask("Edc-Bpn", "BPNL00000000D4GH").check_problem(400, "header", "another company");
    assert_eq!(
        service.records(ELBE).len(),
        before,
        "the log does not name the other company"
    );
    ask("Edc-Contract-Agreement-Id", UNTIL).check_problem(400, "header", "another agreement");
    ask("Edc-Bpn", "weser").check_problem(400, "header", "no company");
}
