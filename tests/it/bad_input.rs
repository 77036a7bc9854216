//! Input nobody should send: each piece is answered as a problem with a status of 4xx, and the service lives on.

use crate::harness::{Answer, Ask, ELBE, HOLDS, ISAR, Service, WESER, ask, exchange, get, post};

fn check_problem(answer: &Answer, status: u16, of: &str) {
    let kind = answer.json()["type"].as_str().unwrap().to_owned();
    answer.check_problem(status, kind.strip_prefix("urn:tidegate:problem:").unwrap(), of);
}

#[test]
fn a_path_with_two_readings_is_refused() {
    let service = Service::shared();
    let sound = service.footprint_path(HOLDS);
    let pcf = sound.split('/').nth(4).unwrap().to_owned();
    let ask = |path: &str| {
        get(path)
            .bearer(&service.connector(ELBE))
            .header("Edc-Bpn", WESER)
            .header("Edc-Contract-Agreement-Id", HOLDS)
    };
    let within = |odd: &str| format!("/exchange/{ELBE}/pcf/{odd}/submodel/$value");
    let refused = [
        format!("/exchange/{ISAR}/../{ELBE}/pcf/{pcf}/submodel/$value"),
        format!("/exchange/{ISAR}/%2e%2e/{ELBE}/pcf/{pcf}/submodel/$value"),
        format!("/exchange/{ISAR}/.%2e/{ELBE}/pcf/{pcf}/submodel/$value"),
        format!("/./exchange/{ELBE}/pcf/{pcf}/submodel/$value"),
        format!("//exchange/{ELBE}/pcf/{pcf}/submodel/$value"),
        format!("/exchange//{ELBE}/pcf/{pcf}/submodel/$value"),
        format!("/exchange/{ELBE}%2fpcf/{pcf}/submodel/$value"),
        format!("/exchange/{ELBE}%5cpcf/{pcf}/submodel/$value"),
        format!("/exchange/{ELBE}\\pcf/{pcf}/submodel/$value"),
        format!("/exchange/{ELBE};x=1/pcf/{pcf}/submodel/$value"),
        format!("/exchange/%42PNL000000000DWF/pcf/{pcf}/submodel/$value"),
        format!("/exchange/%D0%92PNL000000000DWF/pcf/{pcf}/submodel/$value"),
        within("%00"),
        within(&format!("{pcf}%00")),
        within(&format!("{pcf}%20")),
        within("%2524value"),
        within("%"),
        within("%zz"),
        within("*"),
        within("{pcf}"),
        within("a'b"),
        within("."),
        within(".."),
        within(&"a".repeat(600)),
        format!("{sound}/.."),
        format!("/{}", "a/".repeat(300)),
    ];
    for path in &refused {
        let answer = ask(path).send(service.address);
        answer.check_problem(400, "path", path);
    }
    // Canonical, but no id of a footprint: refused before anything is decided.
    for odd in ["a.b", "-a", "a~b", "@", &"a".repeat(65)] {
        ask(&within(odd)).send(service.address).check_problem(400, "path", odd);
    }
    let elsewhere = [
        "/",
        "/exchange",
        "/exchange/",
        "/EXCHANGE/x",
        "/healthz/",
        "/healthz/x",
        "/admin",
        "/dev",
        "/favicon.ico",
        "/exchange/x/y/z",
        &format!("{sound}/"),
        &format!("{sound}/x"),
        &sound.to_lowercase(),
    ];
    for path in elsewhere {
        ask(path).send(service.address).check_problem(404, "not-found", path);
    }
    // The one encoding some clients need, and a query that means nothing here.
    for path in [sound.replace('$', "%24"), format!("{sound}?x=/../%00")] {
        assert_eq!(ask(&path).send(service.address).status, 200, "{path}");
    }
    service.check_healthy();
}

#[test]
fn the_headers_of_the_connector_stand_once_and_parse() {
    let service = Service::shared();
    let with = |name: &str, values: &[&[u8]]| {
        let ask = service.sound_exchange().without(name);
        values.iter().fold(ask, |ask, value| ask.header(name, value))
    };
    let long = "a".repeat(129);
    let cases: Vec<(&str, Vec<&[u8]>)> = vec![
        ("Edc-Bpn", vec![]),
        ("Edc-Bpn", vec![b""]),
        ("Edc-Bpn", vec![WESER.as_bytes(), WESER.as_bytes()]),
        ("Edc-Bpn", vec![WESER.as_bytes(), ELBE.as_bytes()]),
        ("Edc-Bpn", vec![b"bpnl00000000c3ef"]),
        ("Edc-Bpn", vec![b"BPNL00000000C3EF,BPNL000000000DWF"]),
        ("Edc-Bpn", vec!["ВPNL00000000C3EF".as_bytes()]),
        ("Edc-Bpn", vec![b"BPNL00000000C3E\xff"]),
        ("Edc-Bpn", vec![b"BPNL*"]),
        ("Edc-Bpn", vec![b"urn:bpn:id:BPNL00000000C3EF"]),
        ("Edc-Contract-Agreement-Id", vec![]),
        ("Edc-Contract-Agreement-Id", vec![b""]),
        ("Edc-Contract-Agreement-Id", vec![HOLDS.as_bytes(), HOLDS.as_bytes()]),
        ("Edc-Contract-Agreement-Id", vec![b"a/b"]),
        ("Edc-Contract-Agreement-Id", vec![b"*"]),
        ("Edc-Contract-Agreement-Id", vec![b"\xc3\xa4"]),
        ("Edc-Contract-Agreement-Id", vec![long.as_bytes()]),
    ];
    for (name, values) in cases {
        let answer = with(name, &values).send(service.address);
        let of = format!(
            "{name}: {:?}",
            values
                .iter()
                .map(|value| String::from_utf8_lossy(value))
                .collect::<Vec<_>>()
        );
        answer.check_problem(400, "header", &of);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&name.to_lowercase()), "{of}: {detail}");
    }
    // White space around a value belongs to HTTP, not to the value.
    assert_eq!(
        with("Edc-Bpn", &[b"  BPNL00000000C3EF\t"]).send(service.address).status,
        200
    );
    service.check_healthy();
}

#[test]
fn a_request_id_is_echoed_recorded_or_refused() {
    let service = Service::shared();
    let answer = service
        .sound_exchange()
        .header("X-Request-ID", "my-1.2_3")
        .send(service.address);
    assert_eq!(answer.headers["x-request-id"], "my-1.2_3");
    let made = service.sound_exchange().send(service.address);
    assert_eq!(made.headers["x-request-id"].len(), 36);
    let odd: [&[u8]; 6] = [b"", b"a b", b"a\"b", b"-a", b"\xff", &[b'a'; 65]];
    for id in odd {
        let of = String::from_utf8_lossy(id).into_owned();
        let answer = service
            .sound_exchange()
            .header("X-Request-ID", id)
            .send(service.address);
        answer.check_problem(400, "header", &of);
        assert_eq!(
            answer.headers["x-request-id"].len(),
            36,
            "{of}: one is made for the refusal"
        );
    }
    let twice = service
        .sound_exchange()
        .header("X-Request-ID", "a")
        .header("X-Request-ID", "a");
    twice.send(service.address).check_problem(400, "header", "twice");
    // What is no trace context starts no trace and refuses nothing.
    for trace in ["garbage", "00-0-0-0", ""] {
        let answer = service
            .sound_exchange()
            .header("traceparent", trace)
            .send(service.address);
        assert_eq!(answer.status, 200, "{trace}");
    }
    service.check_healthy();
}

#[test]
fn a_method_a_route_does_not_have_is_a_problem_that_names_those_it_has() {
    let service = Service::shared();
    let sound = service.footprint_path(HOLDS);
    for (path, allowed) in [
        (sound.as_str(), "GET"),
        ("/access/v1/evaluation", "POST"),
        ("/healthz", "GET"),
    ] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"] {
            let answer = ask(method, path).send(service.address);
            answer.check_problem(405, "method", &format!("{method} {path}"));
            let allow = answer.headers.get("allow").map(String::as_str).unwrap_or_default();
            assert!(
                allow.contains(allowed),
                "{method} {path}: `Allow: {allow}` (RFC 9110, section 15.5.6)"
            );
        }
    }
    post("/healthz")
        .send(service.address)
        .check_problem(405, "method", "POST /healthz");
    get("/access/v1/evaluation")
        .send(service.address)
        .check_problem(405, "method", "GET evaluation");
    assert_eq!(ask("HEAD", "/healthz").send(service.address).status, 200);
    service.check_healthy();
}

#[test]
fn what_is_not_http_is_refused_and_what_is_too_much_of_it_too() {
    let service = Service::shared();
    let raw = |bytes: &[u8]| exchange(service.address, bytes).map(|answer| answer.status);
    let head = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n";
    assert_eq!(raw(format!("{head}\r\n").as_bytes()), Some(200));
    let refused: [(&str, Vec<u8>); 9] = [
        ("not HTTP", b"hello\r\n\r\n".to_vec()),
        (
            "TLS",
            vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x0d, 0x0a, 0x0d, 0x0a],
        ),
        (
            "a raw lookalike",
            "GET /exchange/ВPNL000000000DWF/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(),
        ),
        ("a raw null", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "a line break in a header",
            format!("{head}X: a\r\n b\r\n\r\n").into_bytes(),
        ),
        (
            "two lengths",
            format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab").into_bytes(),
        ),
        (
            "a length that is none",
            format!("{head}Content-Length: -1\r\n\r\n").into_bytes(),
        ),
        ("a space before the colon", format!("{head}X : a\r\n\r\n").into_bytes()),
        (
            "65 headers",
            format!("{head}{}\r\n", "X: a\r\n".repeat(65)).into_bytes(),
        ),
    ];
    for (what, bytes) in refused {
        let status = raw(&bytes);
        assert!(matches!(status, Some(400 | 414 | 431)), "{what}: {status:?}");
    }
    let long = raw(format!(
        "GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "a".repeat(70_000)
    )
    .as_bytes());
    assert!(matches!(long, Some(400 | 414 | 431)), "{long:?}");
    let header = raw(format!("{head}X: {}\r\n\r\n", "a".repeat(1 << 20)).as_bytes());
    assert!(matches!(header, Some(431)), "{header:?}");
    service.check_healthy();
}

#[test]
fn a_body_that_is_no_evaluation_is_refused() {
    let service = Service::shared();
    let evaluate = |body: Vec<u8>| -> Answer {
        let ask: Ask = post("/access/v1/evaluation")
            .bearer(&service.connector(ELBE))
            .json(body);
        ask.send(service.address)
    };
    let sound = format!(
        r#"{{"subject":{{"type":"Partner","id":"{WESER}"}},"action":{{"name":"discover"}},"resource":{{"type":"Offer","id":"{ELBE}/offer-pcf-ethanol"}},"context":{{}}}}"#
    );
    assert_eq!(evaluate(sound.clone().into_bytes()).status, 200);
    let replaced = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from}");
        sound.replace(from, to).into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("cut", sound.as_bytes()[..40].to_vec()),
        ("more after it", format!("{sound}{{}}").into_bytes()),
        ("not UTF-8", b"{\"subject\":\"\xff\"}".to_vec()),
        ("a lone surrogate", replaced("discover", "\\ud800")),
        ("30000 deep", "[".repeat(30_000).into_bytes()),
        (
            "deep within",
            replaced("{}", &format!("{}{}", "[".repeat(20_000), "]".repeat(20_000))),
        ),
        (
            "a member twice",
            replaced("\"action\"", "\"action\":{\"name\":\"access\"},\"action\""),
        ),
        (
            "a member twice in an unknown one",
            replaced("{}", r#"{"x":{"a":1,"a":2}}"#),
        ),
        (
            "a member twice, spelled otherwise",
            replaced("\"context\"", "\"\\u0061ction\":{},\"context\""),
        ),
        ("a number for a text", replaced("\"discover\"", "7")),
        (
            "a list for a text",
            replaced(&format!("\"{WESER}\""), &format!("[\"{WESER}\"]")),
        ),
        ("no subject", replaced("\"subject\"", "\"object\"")),
        ("another kind of subject", replaced("\"Partner\"", "\"User\"")),
        ("another action", replaced("discover", "destroy")),
        ("an action of another kind of resource", replaced("discover", "access")),
        (
            "an action that is no moment of a contract",
            replaced("discover", "readSecret"),
        ),
        ("another kind of resource", replaced("\"Offer\"", "\"Secret\"")),
        ("a resource of no tenant", replaced(&format!("{ELBE}/"), "")),
        ("a partner in lower case", replaced(WESER, &WESER.to_lowercase())),
        ("an id that climbs", replaced("offer-pcf-ethanol", "../x")),
        ("an agreement that is none", replaced("{}", r#"{"agreement":"a b"}"#)),
        ("a purpose that is none", replaced("{}", r#"{"purpose":7}"#)),
    ];
    for (what, body) in cases {
        let answer = evaluate(body);
        check_problem(&answer, 400, what);
        assert_eq!(answer.json()["type"], "urn:tidegate:problem:body", "{what}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.len() < 400, "{what}: {detail}");
    }
    evaluate(vec![b'['; 100_000]).check_problem(413, "too-large", "100000 deep");
    evaluate(replaced("{}", &format!("{{\"x\":\"{}\"}}", "a".repeat(1 << 20)))).check_problem(
        413,
        "too-large",
        "1 MiB",
    );
    evaluate(replaced("offer-pcf-ethanol", "offer-x")).check_problem(404, "not-found", "an offer that is not there");
    // A tenant that is not there has no verifier, so no token holds at it.
    evaluate(replaced(ELBE, "BPNLZZZZZZZZZZZZ")).check_problem(401, "unauthenticated", "a tenant that is not there");
    evaluate(replaced(ELBE, ISAR)).check_problem(401, "unauthenticated", "another tenant");
    // Receivers ignore members they do not know (AuthZEN 1.0, section 5).
    assert_eq!(evaluate(replaced("{}", r#"{"x":[1e400]}"#)).status, 400);
    assert_eq!(
        evaluate(replaced("{}", r#"{"time":"2001-01-01T00:00:00Z"}"#)).status,
        200
    );
    service.check_healthy();
}

#[test]
fn a_token_request_that_is_none_gets_the_answer_of_oauth() {
    let service = Service::shared();
    let path = format!("/dev/issuers/{ELBE}/oauth2/token");
    let cases = [
        ("", 400),
        ("grant_type=", 400),
        ("grant_type=client_credentials", 401),
        ("grant_type=client_credentials&client_id=x&client_secret=y", 401),
        ("grant_type=password&client_id=x&username=anna&password=x", 400),
        ("grant_type=client_credentials&grant_type=password", 400),
        ("grant_type=%ff", 400),
        ("%", 400),
    ];
    for (form, status) in cases {
        let answer = post(&path).body(form).send(service.address);
        assert_eq!(answer.status, status, "{form}: {}", answer.text());
        assert_eq!(answer.headers["cache-control"], "no-store", "{form}");
        assert!(answer.json()["error"].is_string(), "{form}");
    }
    post(&path)
        .body(vec![0xff; 4])
        .send(service.address)
        .check_problem(400, "body", "not UTF-8");
    post(&path)
        .body(vec![b'a'; 70_000])
        .send(service.address)
        .check_problem(413, "too-large", "a long form");
    post(&path.replace(ELBE, "BPNLZZZZZZZZZZZZ"))
        .send(service.address)
        .check_problem(404, "not-found", "no such issuer");
    service.check_healthy();
}
