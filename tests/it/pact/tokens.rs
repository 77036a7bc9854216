//! Who gets a token, and at whose endpoint and how long it is good.

use jiff::{Timestamp, ToSpan as _};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::facts::edr::PactGrant;
use tidegate::ids::Digest;
use tidegate::registry::{PactClient, drawn_secret};

use super::{Own, asked, check_error, ids, minted};
use crate::harness::{ELBE, HOLDS, ISAR, LOG, ODER, Service, WESER, get, post};

#[test]
fn a_secret_gets_a_token_and_nothing_else_does() {
    let service = Service::shared();
    let own = Own::of(service, ELBE, WESER);
    let answer = own.asks(&own.secret).send(service.address);
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["token_type"], &body["expires_in"]),
        (200, &"bearer".into(), &900.into())
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    let at_isar = Own::of(service, ISAR, WESER);
    for (what, secret) in [
        ("another secret", "wrong".to_owned()),
        ("no secret", String::new()),
        ("the secret of the same partner elsewhere", at_isar.secret.clone()),
        ("the secret of another partner", Own::of(service, ELBE, ODER).secret),
        (
            "the digest of the secret",
            Digest::of(own.secret.as_bytes()).to_string(),
        ),
        ("a part of the secret", own.secret[..63].to_owned()),
    ] {
        let answer = own.asks(&secret).send(service.address);
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &"invalid_client".into()),
            "{what}"
        );
        assert_eq!(answer.headers["www-authenticate"], "Basic", "{what}");
        // As one that nobody knows.
        let stranger = Own {
            client: "stranger".into(),
            ..Own::of(service, ELBE, WESER)
        };
        assert_eq!(stranger.asks(&secret).send(service.address).body, answer.body, "{what}");
    }
    let form = |body: &str| own.asks(&own.secret).body(body).send(service.address);
    for (body, error) in [
        ("grant_type=password", "unsupported_grant_type"),
        ("", "invalid_request"),
        (
            "grant_type=client_credentials&grant_type=client_credentials",
            "invalid_request",
        ),
        ("grant_type=client_credentials&scope=admin", "invalid_scope"),
    ] {
        let answer = form(body);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &error.into()), "{body}");
    }
    for body in [
        "grant_type=client_credentials&scope=footprint%3Alist+footprint:read",
        "grant_type=client_credentials&scope=&audience=x&resource=y",
    ] {
        assert_eq!(form(body).status, 200, "{body}");
    }
    let bare = own.asks(&own.secret).without("Authorization").send(service.address);
    assert_eq!(bare.status, 401);
    assert_eq!(
        post("/exchange/BPNL00000000XXXX/auth/token")
            .send(service.address)
            .status,
        404
    );
}

#[test]
fn a_token_is_good_at_one_tenants_endpoint_and_nothing_else_is() {
    let service = Service::shared();
    let own = Own::of(service, ELBE, WESER);
    let token = own.token(service);
    let lists = |tenant: &str, token: &str| asked(tenant, "footprints").bearer(token).send(service.address);
    assert_eq!(lists(ELBE, &token).status, 200);
    check_error(&lists(ISAR, &token), 401, "BadRequest", "at another tenant");
    let now = service.app.clock.now();
    let grant = PactGrant {
        tenant: ELBE.parse().unwrap(),
        endpoint: format!("{}/exchange/{ELBE}", service.app.base_url).into(),
        partner: WESER.parse().unwrap(),
        client: own.client.parse().unwrap(),
        credential: Digest::of(own.secret.as_bytes()),
        expires: now + 10.minutes(),
    };
    assert_eq!(
        lists(ELBE, &minted(service, &grant)).status,
        200,
        "made alike, it is as good"
    );
    let wrong = [
        (
            "expired",
            PactGrant {
                expires: now,
                ..grant.clone()
            },
        ),
        (
            "another partner",
            PactGrant {
                partner: ODER.parse().unwrap(),
                ..grant.clone()
            },
        ),
        (
            "another client",
            PactGrant {
                client: "other".parse().unwrap(),
                ..grant.clone()
            },
        ),
        (
            "another secret",
            PactGrant {
                credential: Digest::of(b"other"),
                ..grant.clone()
            },
        ),
        (
            "another endpoint",
            PactGrant {
                endpoint: "https://other.example".into(),
                ..grant.clone()
            },
        ),
        (
            "another tenant's key",
            PactGrant {
                tenant: ISAR.parse().unwrap(),
                ..grant.clone()
            },
        ),
    ];
    for (what, grant) in wrong {
        let code = if what == "expired" {
            "TokenExpired"
        } else {
            "BadRequest"
        };
        for path in ["footprints", "footprints/3893bb5d-da16-4dc1-9185-11d97476c254"] {
            let answer = asked(ELBE, path).bearer(&minted(service, &grant)).send(service.address);
            check_error(&answer, 401, code, what);
            assert_eq!(
                answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"",
                "{what}"
            );
        }
    }
    for (what, token) in [
        ("the connector's token", service.connector(ELBE)),
        ("a supplier system's", service.integration(ELBE)),
        ("a person's", service.person(ELBE, "anna")),
        (
            "a data flow's",
            crate::dataflows::started(service, &crate::dataflows::fresh(), HOLDS).token,
        ),
        ("garbage", "garbage".into()),
        ("nothing", String::new()),
    ] {
        check_error(&lists(ELBE, &token), 401, "BadRequest", what);
    }
    let nobody = asked(ELBE, "footprints").send(service.address);
    check_error(&nobody, 401, "BadRequest", "no token at all");
    assert_eq!(nobody.headers["www-authenticate"], "Bearer");
    // Nor is it any of those.
    for (path, header) in [
        (service.footprint_path(HOLDS), Some(("Edc-Bpn", WESER))),
        (format!("/agreements/{ELBE}"), None),
        (format!("/credentials/{ELBE}/secrets/erp-api-key"), None),
    ] {
        let mut ask = get(&path).bearer(&token).header("Edc-Contract-Agreement-Id", HOLDS);
        if let Some((name, value)) = header {
            ask = ask.header(name, value);
        }
        ask.send(service.address).check_problem(401, "unauthenticated", &path);
    }
}

#[test]
fn a_token_ends_with_its_time_and_a_secret_with_its_end() {
    let begin: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
    let clock = Clock::fixed(begin);
    let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
    let own = Own::of(&service, ELBE, WESER);
    let lists = |token: &str| asked(ELBE, "footprints").bearer(token).send(service.address);
    let token = own.token(&service);
    clock.set(begin + 14.minutes() + 59.seconds());
    assert_eq!(lists(&token).status, 200);
    clock.set(begin + 15.minutes());
    check_error(&lists(&token), 401, "TokenExpired", "its time is over");

    // A new secret beside the old one, which has an end: both are good until then.
    let fresh = drawn_secret().unwrap();
    let end = clock.now() + 1.hour();
    let old = PactClient {
        until: Some(end),
        ..own.entry()
    };
    own.put(
        &service,
        WESER,
        vec![old.clone(), PactClient::new(own.client.parse().unwrap(), &fresh)],
    );
    let new = Own {
        secret: secrecy::ExposeSecret::expose_secret(&fresh).to_owned(),
        ..Own::of(&service, ELBE, WESER)
    };
    clock.set(end - 1.minute());
    let (with_old, with_new) = (own.token(&service), new.token(&service));
    assert_eq!((lists(&with_old).status, lists(&with_new).status), (200, 200));
    clock.set(end);
    assert_eq!(own.asks(&own.secret).send(service.address).status, 401);
    check_error(
        &lists(&with_old),
        401,
        "BadRequest",
        "its secret is no more, though its time is not over",
    );
    assert_eq!(lists(&with_new).status, 200);

    // Taken off the record, a client is gone at once.
    own.put(&service, WESER, vec![]);
    check_error(&lists(&with_new), 401, "BadRequest", "its client is no more");
    assert_eq!(new.asks(&new.secret).send(service.address).status, 401);
    own.put(&service, WESER, vec![old]);
    // No two partners have one client.
    let (tenant, oder) = (ELBE.parse().unwrap(), ODER.parse().unwrap());
    let put = service.app.registry.put_pact_clients(tenant, oder, vec![own.entry()]);
    let refused = crate::harness::block_on(put).unwrap_err().to_string();
    assert!(refused.contains("a client of its own"), "{refused}");
}

#[test]
fn clients_that_the_world_document_does_not_name_stay() {
    let service = Service::start();
    let own = Own::of(&service, ELBE, WESER);
    service.change_world(ELBE, |world| {
        let partner = WESER.parse().unwrap();
        let mut relation = tidegate::registry::Relation::with(partner);
        relation.groups.insert("gold".into());
        world.relations.insert_mut(partner, relation.into());
    });
    let token = own.token(&service);
    service.change_world(ELBE, |world| {
        let partner = WESER.parse().unwrap();
        let mut relation = tidegate::registry::Relation::clone(world.relations.get(&partner).unwrap());
        assert!(relation.groups.contains("gold") && relation.pact_clients().len() == 1);
        relation.pact = Some(Vec::new());
        world.relations.insert_mut(partner, relation.into());
    });
    let answer = asked(ELBE, "footprints").bearer(&token).send(service.address);
    check_error(&answer, 401, "BadRequest", "named as none, they are gone");
}

#[test]
fn on_its_own_host_a_tenant_has_its_own_pact_endpoint() {
    let service = Service::shared();
    let own = Own::of(service, ELBE, WESER);
    let host = format!("{}.localhost:8443", ELBE.to_lowercase());
    let mut ask = own.asks(&own.secret).host(&host);
    "/auth/token".clone_into(&mut ask.path);
    let answer = ask.send(service.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let page = get("/3/footprints?limit=1")
        .host(&host)
        .bearer(&token)
        .send(service.address);
    assert_eq!(ids(&page).len(), 1);
    // The address of the next page is on the host by which this one was asked for.
    assert!(page.headers["link"].starts_with(&format!("<http://{host}/3/footprints?limit=1&after=")));
    let elsewhere = format!("{}.localhost", ISAR.to_lowercase());
    let answer = get("/3/footprints")
        .host(&elsewhere)
        .bearer(&token)
        .send(service.address);
    check_error(&answer, 401, "BadRequest", "on another tenant's host");
}

#[test]
fn neither_secrets_nor_tokens_are_logged_or_kept() {
    let service = Service::start();
    let own = Own::of(&service, ELBE, WESER);
    let token = own.token(&service);
    asked(ELBE, "footprints").bearer(&token).send(service.address);
    own.asks("a-wrong-secret-nobody-has").send(service.address);
    let tail = &token[token.len() - 24..];
    let log = LOG.text();
    for secret in [own.secret.as_str(), tail, "a-wrong-secret-nobody-has"] {
        assert!(!log.contains(secret));
    }
    for file in crate::harness::files(service.data()) {
        if file.file_name().is_some_and(|name| name == "dev.json") {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        assert!(!crate::harness::contains(&bytes, &own.secret), "{}", file.display());
        assert!(!crate::harness::contains(&bytes, tail), "{}", file.display());
    }
}
