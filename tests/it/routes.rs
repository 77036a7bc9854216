//! Every route is tried as nobody, as a stranger and as somebody. What is expected stands in one table, and a route that
//! is missing from it fails.

use serde_json::{Value, json};
use tidegate::dev::issuer::{SigningKey, sign};
use tidegate::http::routes::{Caller, Route, all};

use crate::harness::{Ask, ELBE, HOLDS, ISAR, ODER, Service, WESER, ask, claims, footprint, wait_for};

/// The body by which a secret of Elbe's becomes what it is.
fn unchanged(service: &Service, name: &str) -> String {
    json!({ "value": crate::credentials::value(service, ELBE, name) }).to_string()
}

/// How a route is called with success, but for the token.
struct Tried {
    ask: Ask,
    success: u16,
    /// A caller of the same tenant but of another kind, and who may.
    other_kind: String,
    somebody: Option<String>,
}

fn tried(service: &Service, route: &str) -> Tried {
    let connector = || Some(service.connector(ELBE));
    let (anna, integration) = (|| service.person(ELBE, "anna"), || service.integration(ELBE));
    let credentials = |rest: &str| format!("/credentials/{ELBE}/{rest}");
    let (ask, success, other_kind, somebody) = match route {
        "exchange.footprint" => {
            let path = service.footprint_path(HOLDS);
            let ask = ask("GET", &path)
                .header("Edc-Bpn", WESER)
                .header("Edc-Contract-Agreement-Id", HOLDS);
            (ask, 200, integration(), connector())
        }
        "exchange.request" | "exchange.requestByProduct" => {
            let path = match route {
                "exchange.request" => {
                    "footprintExchange/2daa49aa-ee16-4df3-bca3-000000000001?manufacturerPartId=401765&dataModelVersion=urn:samm:io.catenax.pcf:10.0.0"
                }
                _ => {
                    "productIds/401765?requestId=2daa49aa-ee16-4df3-bca3-000000000002&dataModelVersion=urn:samm:io.catenax.pcf:10.0.0"
                }
            };
            let ask = ask("GET", &format!("/exchange/{ELBE}/{path}"))
                .header("Edc-Bpn", WESER)
                .header("Edc-Contract-Agreement-Id", HOLDS);
            (ask, 202, integration(), connector())
        }
        "exchange.submit" | "exchange.submitByProduct" => {
            let path = match route {
                "exchange.submit" => "footprintExchange/2daa49aa-ee16-4df3-bca3-000000000003?update=true",
                _ => "productIds/401765",
            };
            let ask = ask("PUT", &format!("/exchange/{ELBE}/{path}"))
                .header("Edc-Bpn", WESER)
                .header("Edc-Contract-Agreement-Id", HOLDS)
                .json(footprint("10.0.0", WESER, "5f0c1d2a-0000-4000-8000-000000000001"));
            (ask, 200, integration(), connector())
        }
        "agreements.deliveries" => (
            ask("GET", &format!("/agreements/{ELBE}/deliveries")),
            200,
            service.connector(ELBE),
            Some(anna()),
        ),
        "ingest.request" => {
            let body = json!({ "partner": WESER, "manufacturerPartId": "W-1" });
            (
                ask("POST", &format!("/ingest/{ELBE}/requests")).json(body.to_string()),
                201,
                service.connector(ELBE),
                Some(integration()),
            )
        }
        "dataflows.prepare" | "dataflows.prepareShared" | "dataflows.start" | "dataflows.startShared" => {
            let shared = route.ends_with("Shared");
            let begin = if route.contains("prepare") { "prepare" } else { "start" };
            let path = match shared {
                true => format!("/dataflows/{begin}"),
                false => format!("/dataflows/{ELBE}/{begin}"),
            };
            let body = crate::dataflows::begin(service, &crate::dataflows::fresh(), HOLDS);
            (
                ask("POST", &path).json(body.to_string()),
                200,
                integration(),
                connector(),
            )
        }
        "dataflows.signal" | "dataflows.signalShared" | "dataflows.status" | "dataflows.statusShared" => {
            let flow = crate::dataflows::started(service, &crate::dataflows::fresh(), HOLDS);
            let tenant = if route.ends_with("Shared") {
                String::new()
            } else {
                format!("{ELBE}/")
            };
            let (method, verb) = if route.contains("status") {
                ("GET", "status")
            } else {
                ("POST", "suspend")
            };
            let ask = ask(method, &format!("/dataflows/{tenant}{}/{verb}", flow.id));
            (ask, 200, integration(), connector())
        }
        "dataflows.check" => (
            ask("GET", &format!("/dataflows/{ELBE}/check")),
            200,
            integration(),
            None,
        ),
        "twins.writeRules" | "twins.readRules" | "twins.removeRules" => {
            // That show what is there to those who get it anyhow: the service is shared.
            let rules = json!([crate::twins::rule("PUBLIC_READABLE", "401765", "10.0.0")]).to_string();
            let path = format!("/registry/{ELBE}/access-rules");
            let (ask, kind) = match route {
                "twins.writeRules" => (ask("PUT", &path).json(rules), service.connector(ELBE)),
                "twins.readRules" => {
                    let there = ask("PUT", &path).bearer(&anna()).json(rules).send(service.address);
                    assert_eq!(there.status, 200, "{}", there.text());
                    (ask("GET", &path), service.connector(ELBE))
                }
                _ => (ask("DELETE", &path), service.connector(ELBE)),
            };
            (ask, 200, kind, Some(anna()))
        }
        "twins.authorized" => {
            let path = service.footprint_path(HOLDS);
            let url = format!("{}{path}", service.app.base_url);
            let ask = ask("POST", "/submodel-descriptor/authorized")
                .header("Edc-Bpn", WESER)
                .json(json!({ "submodelEndpointUrl": url }).to_string());
            (ask, 200, integration(), connector())
        }
        "access.evaluation" => {
            let body = json!({
                "subject": { "type": "Partner", "id": WESER },
                "action": { "name": "discover" },
                "resource": { "type": "Offer", "id": format!("{ELBE}/offer-pcf-ethanol") },
            });
            (
                ask("POST", "/access/v1/evaluation").json(body.to_string()),
                200,
                integration(),
                connector(),
            )
        }
        "credentials.session" => (
            ask("POST", &credentials("session")),
            200,
            service.connector(ELBE),
            Some(anna()),
        ),
        "credentials.secret" => (
            ask("GET", &credentials("secrets/erp-api-key")),
            200,
            service.connector(ELBE),
            Some(anna()),
        ),
        // The value it has: the service is shared.
        "credentials.write" => (
            ask("PUT", &credentials("secrets/erp-api-key")).json(unchanged(service, "erp-api-key")),
            200,
            service.connector(ELBE),
            Some(anna()),
        ),
        "credentials.rotate" => (
            ask("POST", &credentials("secrets/connector-client/rotate")).json(unchanged(service, "connector-client")),
            200,
            service.connector(ELBE),
            Some(anna()),
        ),
        "agreements.list" => (
            ask("GET", &format!("/agreements/{ELBE}")),
            200,
            service.connector(ELBE),
            Some(anna()),
        ),
        "ledger.checkpoint" | "ledger.key-changes" | "ledger.tile" | "ledger.inclusion" => {
            let path = match route {
                "ledger.checkpoint" => "checkpoint",
                "ledger.key-changes" => "key-changes",
                "ledger.tile" => "tile/entries/000.p/1",
                _ => "inclusion/0",
            };
            let ask = ask("GET", &format!("/ledger/{ELBE}/{path}"));
            (ask, 200, service.connector(ELBE), Some(anna()))
        }
        "agreements.retire" => {
            // One that is retired already: the service is shared.
            let path = format!("/agreements/{ELBE}/0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1004/retire");
            let ask = ask("POST", &path).json(r#"{"reason":"once more"}"#);
            (ask, 200, service.connector(ELBE), Some(anna()))
        }
        "ingest.footprint" => {
            let document = include_str!("../../fixtures/pcf/dev/elbe-solvent-7.0.0.json");
            let path = format!("/ingest/{ELBE}/footprints");
            (
                ask("POST", &path).json(document),
                201,
                service.connector(ELBE),
                Some(integration()),
            )
        }
        "ingest.integrations" => (
            ask("GET", &format!("/ingest/{ELBE}/integrations")),
            200,
            integration(),
            Some(anna()),
        ),
        "ingest.integration" => {
            let document = json!({
                "id": "tried", "tenant": ELBE, "name": "Tried", "enabled": false,
                "push": { "apiKey": [{ "digest": format!("sha256:{}", "0".repeat(64)) }] },
            });
            let path = format!("/ingest/{ELBE}/integrations/tried");
            // The service is shared, and a route is tried several times.
            let put = ask("PUT", &path).json(document.to_string());
            let known = put.clone().bearer(&anna()).send(service.address);
            assert!([200, 201].contains(&known.status), "{}", known.text());
            (put, 200, integration(), Some(anna()))
        }
        "ingest.versions" => {
            let pcf = service.agreement(HOLDS)["pcf_id"].as_str().unwrap().to_owned();
            (
                ask("GET", &format!("/ingest/{ELBE}/footprints/{pcf}/versions")),
                200,
                service.connector(ELBE),
                Some(anna()),
            )
        }
        "ingest.runs" | "ingest.fetch" => {
            let path = format!("/ingest/{ELBE}/integrations/fetched");
            let document = json!({
                "id": "fetched", "tenant": ELBE, "name": "Fetched from",
                "pull": {
                    "source": { "pact": { "url": "http://localhost:9" } }, "everySeconds": 604_800,
                    "auth": { "apiKey": { "header": "X-Key", "secret": "nobodys" } },
                },
            });
            let put = ask("PUT", &path).json(document.to_string()).bearer(&anna());
            assert!([200, 201].contains(&put.send(service.address).status));
            // It fails at once, for there is no such secret; a route is tried several times.
            let runs = ask("GET", &format!("{path}/runs")).bearer(&anna());
            wait_for("the end of its runs", || {
                let runs = runs.send(service.address).json()["runs"].as_array().unwrap().clone();
                !runs.is_empty() && runs.iter().all(|run| run["state"] != "running")
            });
            let (method, success) = if route == "ingest.runs" {
                ("GET", 200)
            } else {
                ("POST", 202)
            };
            (
                ask(method, &format!("{path}/runs")),
                success,
                integration(),
                Some(anna()),
            )
        }
        "operations.health" | "operations.ready" | "operations.metrics" | "operations.openapi" => {
            let path = all().find(|known| known.name == route).unwrap().path;
            (ask("GET", path), 200, anna(), None)
        }
        "dev.jwks" => (
            ask("GET", &format!("/dev/issuers/{ELBE}/.well-known/jwks.json")),
            200,
            anna(),
            None,
        ),
        "dev.token" => {
            let grant = &service.manifest["tenants"][0]["users"][0]["token_grant"];
            let form: Vec<_> = grant
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
                .collect();
            let path = format!("/dev/issuers/{ELBE}/oauth2/token");
            (ask("POST", &path).body(form.join("&")), 200, "none".into(), None)
        }
        "dev.connector.get" => {
            let path = format!("/dev/connectors/{ELBE}/dsp/.well-known/dspace-version");
            (ask("GET", &path), 200, anna(), None)
        }
        // These two ask for the connector's own key, which is no token of ours.
        "dev.connector.post" => {
            let ask = service.managed(ELBE, "POST", "contractnegotiations/request").json("{}");
            (ask, 200, anna(), None)
        }
        "dev.connector.put" => {
            let plane =
                json!({ "dataplaneId": "tried", "endpoint": "http://127.0.0.1:9", "transferTypes": ["HttpData-PULL"] });
            let ask = service.managed(ODER, "PUT", "dataplanes").json(plane.to_string());
            (ask, 200, anna(), None)
        }
        "dev.connector.delete" => {
            let there = json!({ "@id": "tried", "dataAddress": { "type": "HttpData" } }).to_string();
            let put = service
                .managed(ODER, "POST", "assets")
                .json(there)
                .send(service.address);
            assert_eq!(put.status, 200, "{}", put.text());
            (service.managed(ODER, "DELETE", "assets/tried"), 204, anna(), None)
        }
        new => panic!("the route `{new}` is not tried: say here how it is called and by whom"),
    };
    Tried {
        ask,
        success,
        other_kind,
        somebody,
    }
}

/// Tokens that are not valid at Elbe for whoever holds `sound`, each with what is wrong with it.
fn wrong_tokens(service: &Service, sound: &str) -> Vec<(&'static str, String)> {
    let (own, foreign) = (service.issuer(ELBE).key(), service.issuer(ISAR).key());
    let stray = SigningKey::generate().unwrap();
    let change = |change: fn(&mut Value)| service.forged(own, sound, change);
    let payload = claims(sound).to_string();
    let header = |header: &str| sign(own, header, &payload).unwrap();
    let (head, signature) = sound.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    vec![
        ("a changed signature", format!("{head}.{flipped}{}", &signature[1..])),
        ("no signature", format!("{head}.")),
        (
            "the signature of another token",
            format!("{head}.{}", service.connector(ISAR).rsplit_once('.').unwrap().1),
        ),
        ("another tenant's key", sign(foreign, &own.header(), &payload).unwrap()),
        (
            "another tenant's key and its name",
            sign(foreign, &foreign.header(), &payload).unwrap(),
        ),
        ("nobody's key", sign(&stray, &stray.header(), &payload).unwrap()),
        (
            "another tenant's issuer",
            change(|claims| claims["iss"] = json!(claims["iss"].as_str().unwrap().replace(ELBE, ISAR))),
        ),
        (
            "no issuer",
            change(|claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        ),
        (
            "another tenant's client",
            change(|claims| {
                let client = json!(
                    claims["client_id"]
                        .as_str()
                        .unwrap()
                        .replace("000000000dwf", "00000000b2cd")
                );
                if claims["sub"] == claims["client_id"] {
                    claims["sub"] = client.clone();
                }
                claims["client_id"] = client;
            }),
        ),
        (
            "another audience",
            change(|claims| claims["aud"] = json!("someone-else")),
        ),
        (
            "expired",
            change(|claims| {
                let now = claims["iat"].as_i64().unwrap();
                claims["iat"] = json!(now - 7200);
                claims["exp"] = json!(now - 3600);
            }),
        ),
        (
            "not yet valid",
            change(|claims| {
                let now = claims["iat"].as_i64().unwrap();
                claims["iat"] = json!(now + 3600);
                claims["exp"] = json!(now + 7200);
            }),
        ),
        (
            "without an end",
            change(|claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ),
        ("an ID token", change(|claims| claims["token_use"] = json!("id"))),
        (
            "without an id",
            change(|claims| drop(claims.as_object_mut().unwrap().remove("jti"))),
        ),
        (
            "no algorithm",
            header(&format!(r#"{{"alg":"none","kid":"{}"}}"#, own.id())),
        ),
        (
            "another algorithm",
            header(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, own.id())),
        ),
        (
            "a key of its own",
            sign(
                &stray,
                &format!(r#"{{"alg":"RS256","kid":"{}","jwk":{}}}"#, own.id(), stray.jwk()),
                &payload,
            )
            .unwrap(),
        ),
        ("a dot too many", format!("{sound}.x")),
        ("garbage", "garbage".into()),
        ("longer than any token", "a".repeat(9000)),
    ]
}

#[test]
fn nobody_gets_anything_and_somebody_what_the_route_is_for() {
    let service = Service::shared();
    // Partners' own tokens are no tokens of an issuer; `dataflows` and `pact` try those routes.
    for route in all().filter(|route| ![Caller::Partner, Caller::PactClient].contains(&route.caller)) {
        let tried = tried(service, route.name);
        assert_eq!(tried.success, route.success, "{}", route.name);
        assert_eq!(tried.ask.method, route.method.as_str());
        let nobody = tried.ask.send(service.address);
        let Some(somebody) = tried.somebody else {
            assert_eq!(route.caller, Caller::Anyone, "{}", route.name);
            assert_eq!(nobody.status, route.success, "{}", route.name);
            // A token is neither needed nor looked at.
            let stranger = tried.ask.clone().bearer(&tried.other_kind);
            // Nor is what was taken out there to be taken out again.
            if !["dev.token", "dev.connector.delete"].contains(&route.name) {
                assert_eq!(stranger.send(service.address).status, route.success, "{}", route.name);
            }
            continue;
        };
        assert_ne!(route.caller, Caller::Anyone, "{}", route.name);
        nobody.check_problem(401, "unauthenticated", route.name);
        assert_eq!(nobody.headers["www-authenticate"], "Bearer", "{}", route.name);
        let answer = tried.ask.bearer(&somebody).send(service.address);
        assert_eq!(answer.status, route.success, "{}: {}", route.name, answer.text());
        assert!(
            answer.headers["content-type"].starts_with(route.answers),
            "{}",
            route.name
        );
        // What a control plane says of a flow there is, is no question of policy: it is recorded, but not as a decision.
        let decides = !route.name.starts_with("dataflows.") || route.name.starts_with("dataflows.start");
        assert_eq!(answer.record().is_some(), decides, "{} names its record", route.name);
    }
}

#[test]
fn whatever_is_wrong_with_a_token_the_answer_is_the_same_to_the_byte() {
    let service = Service::shared();
    let guarded = |route: &&Route| ![Caller::Anyone, Caller::Partner, Caller::PactClient].contains(&route.caller);
    for route in all().filter(guarded) {
        let tried = tried(service, route.name);
        let somebody = tried.somebody.unwrap();
        let elsewhere = match route.caller {
            Caller::Connector => service.connector(ISAR),
            Caller::Integration => service.integration(ISAR),
            _ => service.person(ISAR, "bert"),
        };
        let mut tokens = wrong_tokens(service, &somebody);
        tokens.push(("the same kind of caller of another tenant", elsewhere));
        tokens.push(("another kind of caller of the tenant", tried.other_kind));
        if route.caller != Caller::Person {
            let own = service.issuer(ELBE).key();
            for (what, scope) in [
                (
                    "another tenant's scope",
                    format!("{ISAR}/pcf.read {ISAR}/pcf.write {ISAR}/dataflows"),
                ),
                (
                    "a scope below the server's name",
                    format!("{ELBE}/x/pcf.read {ELBE}/x/pcf.write {ELBE}/x/dataflows"),
                ),
                ("no scope", String::new()),
                ("the scope of something else", format!("{ELBE}/pcf.delete")),
            ] {
                tokens.push((
                    what,
                    service.forged(own, &somebody, |claims| claims["scope"] = json!(scope)),
                ));
            }
        }
        let mut asked: Vec<(&str, Ask)> = tokens
            .iter()
            .map(|(what, token)| (*what, tried.ask.clone().bearer(token)))
            .collect();
        for (what, value) in [
            ("an empty token", "Bearer "),
            ("another scheme", "Basic YTpi"),
            ("two spaces", "Bearer  a.b.c"),
            ("not ASCII", "Bearer \u{e9}"),
            ("no scheme", ""),
        ] {
            asked.push((what, tried.ask.clone().header("Authorization", value)));
        }
        asked.push(("the token twice", tried.ask.clone().bearer(&somebody).bearer(&somebody)));
        let mut expected = None;
        for (what, ask) in asked {
            let what = format!("{}: {what}", route.name);
            let answer = ask.send(service.address);
            answer.check_problem(401, "unauthenticated", &what);
            let answer = answer.comparable();
            assert_eq!(
                answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"",
                "{what}"
            );
            assert_eq!(&answer, expected.get_or_insert_with(|| answer.clone()), "{what}");
        }
        // Without a token the body is the same too; only the challenge is shorter (RFC 6750, section 3).
        let nobody = tried.ask.send(service.address);
        assert_eq!(nobody.body, expected.unwrap().body, "{}", route.name);
    }
}

#[test]
fn the_routes_of_dev_mode_are_marked_as_such() {
    for route in all() {
        assert_eq!(route.dev_only, route.path.starts_with("/dev/"), "{}", route.name);
    }
}
