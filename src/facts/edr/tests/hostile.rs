//! Tokens made to be wrongly accepted, or to make Tidegate work: each is refused, and soon.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use biscuit_auth::builder::{Fact, Predicate, Rule, Term};
use biscuit_auth::{Algorithm, Biscuit, KeyPair};
use proptest::prelude::*;

use super::*;

/// The block is refused, and that within a time in which nothing can have been evaluated.
fn check_refused(block: BlockBuilder, of: &str) {
    let token = appended(&token(&grant(ELBE)), block);
    let started = Instant::now();
    let found = verifier(ELBE).verify(&token, now()).map(drop);
    assert_eq!(found, Err(EdrError::Block), "{of}");
    assert!(
        started.elapsed() < Duration::from_millis(250),
        "{of}: {:?}",
        started.elapsed()
    );
}

#[test]
fn a_block_that_would_burn_seconds_is_refused_before_it_is_evaluated() {
    let facts = |count: usize| (0..count).map(|number| format!("f({number});")).collect::<String>();
    let hostile = [
        (
            "a four-way join over 60 facts",
            format!(
                "{} check if f($a), f($b), f($c), f($d), $a + $b + $c + $d > 1000;",
                facts(60)
            ),
        ),
        (
            "a three-way join over 60 facts",
            format!("{} check if f($a), f($b), f($c), $a + $b + $c > 1000;", facts(60)),
        ),
        (
            "a rule that feeds itself",
            "n(0); m($x, $y) <- n($x), n($y); n($x) <- m($x, $x);".into(),
        ),
        (
            "a regular expression",
            "check if pcf($p), $p.matches(\"((a{1,500}){1,50}){1,3}\");".into(),
        ),
    ];
    for (of, source) in hostile {
        check_refused(code(&source), of);
    }
}

#[test]
fn only_plain_checks_are_admitted() {
    let wide = (0..9).map(|_| "check if operation(\"read\");").collect::<String>();
    let alternatives = format!("check if {};", ["operation(\"read\")"; 9].join(" or "));
    let many_ops = format!("check if time($t), {};", ["$t > 2026-01-01T00:00:00Z"; 22].join(", "));
    let long_list = format!("check if pcf($p), [{}].contains($p);", ["1"; 65].join(", "));
    for source in [
        "operation(\"write\");",
        "pcf($p) <- operation($p);",
        "check if tenant($t);",
        "check if flow($f);",
        "check if resource(\"x\");",
        "check if true trusting authority;",
        "check if time($t), pcf($p), operation($o), recipient($r);",
        "check if time($t, $u);",
        "check if pcf([1, 2]);",
        "check if pcf($p), $p.length() > 3;",
        "check if pcf($p), $p + \"x\" == \"yx\";",
        "check if time($t), $t > 2026-01-01T00:00:00Z && $t < 2027-01-01T00:00:00Z;",
        "check if pcf($p), [1, 2].any($x -> $x == 1);",
        "check if pcf($p), $p.extern::f();",
        "check if pcf($p), $p.type() == \"string\";",
        "check if 1 + 1 == 2;",
        "check if {\"a\": 1}.get(\"a\") == 1;",
        wide.as_str(),
        alternatives.as_str(),
        many_ops.as_str(),
        long_list.as_str(),
    ] {
        check_refused(code(source), source);
    }
    check_refused(BlockBuilder::new(), "an empty block");
    let scoped = code("check if true;").scope(biscuit_auth::builder::Scope::Previous);
    check_refused(scoped, "a block that trusts others");
}

#[test]
fn a_name_that_prints_as_something_else_fools_nobody() {
    for name in ["time($t), pcf", "pcf(\"x\") or pcf", "pcf\0", "pcf ", "PCF", ""] {
        let predicate = Predicate::new(name.to_owned(), vec![Term::Variable("p".to_owned())]);
        let query = Rule::new(
            Predicate::new("query".to_owned(), Vec::<Term>::new()),
            vec![predicate],
            vec![],
            vec![],
        );
        let check = biscuit_auth::builder::Check {
            queries: vec![query],
            kind: biscuit_auth::builder::CheckKind::One,
        };
        check_refused(BlockBuilder::new().check(check).unwrap(), name);
    }
}

#[test]
fn a_symbol_that_nobody_declared_is_refused() {
    use biscuit_auth::format::schema;
    let predicate = |name| schema::Predicate { name, terms: vec![] };
    let check = schema::Check {
        queries: vec![schema::Rule {
            head: predicate(27),
            body: vec![predicate(99_999)],
            expressions: vec![],
            scope: vec![],
        }],
        kind: None,
    };
    let block = schema::Block {
        checks: vec![check],
        ..Default::default()
    };
    let found = super::super::admission::admit(&block, &biscuit_auth::datalog::SymbolTable::new());
    assert_eq!(found, Err(EdrError::Block));
}

#[test]
fn a_block_of_a_third_party_is_refused_whoever_it_is() {
    let token = UnverifiedBiscuit::from_base64(token(&grant(ELBE))).unwrap();
    let stranger = KeyPair::new();
    let block = token.third_party_request().unwrap();
    let block = block
        .create_block(&stranger.private(), code("check if operation(\"read\");"))
        .unwrap();
    let bytes = block.serialize().unwrap();
    let token = token.append_third_party(&bytes).unwrap().to_base64().unwrap();
    assert_eq!(verifier(ELBE).verify(&token, now()).unwrap_err(), EdrError::Foreign);
}

#[test]
fn a_first_block_that_tidegate_does_not_write_is_refused_though_it_is_signed() {
    let tenant: TenantId = ELBE.parse().unwrap();
    let root = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    let own = EdrVerifier::new(tenant, &endpoint(tenant), [(1, root.public())].into());
    let good = token(&grant(ELBE));
    let source = UnverifiedBiscuit::from_base64(&good)
        .unwrap()
        .print_block_source(0)
        .unwrap();
    let made = |source: &str| {
        let builder = Biscuit::builder().root_key_id(1).code(source).unwrap();
        URL_SAFE_NO_PAD.encode(builder.build(&root).unwrap().to_vec().unwrap())
    };
    assert!(own.verify(&made(&source), now()).is_ok());
    for (of, changed) in [
        ("another fact", format!("{source} extra(\"x\");")),
        ("a fact twice", source.replace("asset(", "tenant(")),
        ("a rule", format!("{source} a($x) <- tenant($x);")),
        ("another check", format!("{source} check if true;")),
        ("a fact less", source.replace("purpose(\"cx.pcf.base:1\");", "")),
        (
            "another provider",
            source.replace(&format!("provider(\"{ELBE}\")"), &format!("provider(\"{ISAR}\")")),
        ),
        (
            "a number for a text",
            source.replace("purpose(\"cx.pcf.base:1\")", "purpose(1)"),
        ),
        ("an agreement that is none", source.replace("0b6f6a3e-", "../")),
    ] {
        assert_ne!(changed, source, "{of}");
        assert_eq!(
            own.verify(&made(&changed), now()).unwrap_err(),
            EdrError::Authority,
            "{of}"
        );
    }
    let unnamed = Biscuit::builder().code(&source).unwrap().build(&root).unwrap();
    let unnamed = URL_SAFE_NO_PAD.encode(unnamed.to_vec().unwrap());
    assert_eq!(own.verify(&unnamed, now()).unwrap_err(), EdrError::Generation);
}

#[test]
fn what_is_no_token_is_refused_at_its_form() {
    let long = "A".repeat(6000);
    for (text, cause) in [
        // An envelope of nothing: it names no key.
        ("", EdrError::Generation),
        ("garbage!", EdrError::Form),
        ("aaaa", EdrError::Form),
        ("eyJhbGciOiJub25lIn0.e30.", EdrError::Form),
        (long.as_str(), EdrError::TooLong),
    ] {
        assert_eq!(verifier(ELBE).verify(text, now()).unwrap_err(), cause, "{text:.20}");
    }
}

#[test]
fn a_longer_first_block_does_not_hide_a_fact() {
    let fact = Fact::new("pcf".to_owned(), vec![Term::Str("x".into())]);
    check_refused(
        BlockBuilder::new().fact(fact).unwrap(),
        "a fact of the request's own vocabulary",
    );
}

proptest! {
    #[test]
    fn no_changed_byte_makes_another_token(position in 0usize..700, flip in 1u8..=255) {
        let good = appended(&token(&grant(ELBE)), code("check if pcf(\"x\");"));
        let mut bytes = super::super::verify::bytes_of(&good);
        let at = position % bytes.len();
        bytes[at] ^= flip;
        if let Ok(edr) = verifier(ELBE).verify(&URL_SAFE_NO_PAD.encode(&bytes), now()) {
            // Some bytes of the envelope mean nothing; then it is the same token, check and all.
            prop_assert_eq!(edr.grant(), &grant(ELBE));
            let pcf = PCF.parse().unwrap();
            prop_assert_eq!(edr.permits(&fetch(&pcf, now())), Err(EdrError::Narrowed));
        }
    }

    #[test]
    fn bytes_of_any_kind_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verifier(ELBE).verify(&URL_SAFE_NO_PAD.encode(&bytes), now()).is_err());
    }
}
