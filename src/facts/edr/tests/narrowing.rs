//! What a holder may narrow, offline, and that it holds.

use super::*;

fn narrowed(source: &str) -> String {
    appended(&token(&grant(ELBE)), code(source))
}

#[test]
fn one_footprint_for_ten_minutes() {
    let token = narrowed(&format!(
        "check if pcf(\"{PCF}\"); check if time($t), $t < 2026-11-25T09:10:00Z;"
    ));
    let edr = verifier(ELBE).verify(&token, now()).unwrap();
    let (own, other) = (PCF.parse().unwrap(), "another".parse().unwrap());
    assert_eq!(edr.permits(&fetch(&own, after(9))), Ok(()));
    assert_eq!(edr.permits(&fetch(&own, after(10))), Err(EdrError::Narrowed));
    assert_eq!(edr.permits(&fetch(&other, now())), Err(EdrError::Narrowed));
    // A request that names no footprint does not satisfy a check about one.
    let none = Use {
        pcf: None,
        ..fetch(&own, now())
    };
    assert_eq!(edr.permits(&none), Err(EdrError::Narrowed));
}

#[test]
fn each_word_of_the_vocabulary_narrows() {
    let pcf: PcfId = PCF.parse().unwrap();
    let product = "urn:gtin:4712345060507".parse().unwrap();
    let asked = Use {
        product: Some(&product),
        ..fetch(&pcf, now())
    };
    let cases = [
        ("check if operation(\"read\");", true),
        ("check if operation(\"write\");", false),
        ("check if recipient(\"BPNL00000000C3EF\");", true),
        ("check if recipient(\"BPNL00000000D4GH\");", false),
        ("check if product(\"urn:gtin:4712345060507\");", true),
        ("check if product($p), $p.starts_with(\"urn:gtin:\");", true),
        ("check if product($p), $p.ends_with(\"8\");", false),
        (
            "check if pcf($p), {\"3893bb5d-da16-4dc1-9185-11d97476c254\", \"x\"}.contains($p);",
            true,
        ),
        ("check if pcf($p), [\"x\", \"y\"].contains($p);", false),
        ("check if pcf(\"x\") or operation(\"read\");", true),
        ("check if pcf(\"x\") or operation(\"write\");", false),
        ("check all pcf($p), $p != \"x\";", true),
        ("reject if operation(\"read\");", false),
        (
            "check if time($t), operation(\"read\"), pcf($p), $t > 2026-01-01T00:00:00Z, !($p == \"x\");",
            true,
        ),
        // Nothing is more permissive for being appended: the first block's check stands.
        ("check if time($t), $t < 2099-01-01T00:00:00Z;", true),
    ];
    for (source, holds) in cases {
        let edr = verifier(ELBE)
            .verify(&narrowed(source), now())
            .unwrap_or_else(|error| panic!("{source}: {error:?}"));
        assert_eq!(edr.permits(&asked).is_ok(), holds, "{source}");
    }
}

#[test]
fn four_holders_may_narrow_one_after_the_other_and_a_sealed_token_is_as_good() {
    let mut chain = token(&grant(ELBE));
    for _ in 0..4 {
        chain = appended(&chain, code("check if operation(\"read\");"));
        assert!(verifier(ELBE).verify(&chain, now()).is_ok());
    }
    let sealed = UnverifiedBiscuit::from_base64(&chain)
        .unwrap()
        .seal()
        .unwrap()
        .to_base64()
        .unwrap();
    assert!(verifier(ELBE).verify(&sealed, now()).is_ok());
    chain = appended(&chain, code("check if operation(\"read\");"));
    assert_eq!(verifier(ELBE).verify(&chain, now()).unwrap_err(), EdrError::Blocks);
}

#[test]
fn what_was_narrowed_cannot_be_widened_by_taking_a_block_off() {
    use biscuit_auth::format::schema::{Biscuit, proof::Content};
    use prost::Message as _;
    let whole = narrowed("check if pcf(\"x\");");
    let bytes = super::super::verify::bytes_of(&whole);
    let mut envelope = Biscuit::decode(bytes.as_slice()).unwrap();
    envelope.blocks.clear();
    let cut = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        envelope.encode_to_vec(),
    );
    assert_eq!(verifier(ELBE).verify(&cut, now()).unwrap_err(), EdrError::Signature);
    // Not even with a proof of one's own.
    envelope.proof.content = Some(Content::NextSecret(vec![1; 32]));
    let cut = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        envelope.encode_to_vec(),
    );
    assert!(verifier(ELBE).verify(&cut, now()).is_err());
}
