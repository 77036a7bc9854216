//! Laws over tokens that nobody thought of.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{KEY, facts, machine_claims, now, token, verifier};
use crate::dev::issuer::sign;
use crate::facts::claims::Claims;
use crate::facts::{TenantVerifier, bearer, header};

static VERIFIER: LazyLock<TenantVerifier> = LazyLock::new(|| verifier(facts(), &KEY));
static TOKEN: LazyLock<String> = LazyLock::new(|| token(&machine_claims()));

fn accepted(token: &str) -> bool {
    VERIFIER.verify_machine(token, "pcf.read", now()).is_ok()
}

#[test]
fn the_last_character_of_a_token_has_no_second_spelling() {
    assert!(accepted(&TOKEN));
    let (body, last) = TOKEN.split_at(TOKEN.len() - 1);
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    for other in alphabet.filter(|other| !last.starts_with(*other)) {
        assert!(!accepted(&format!("{body}{other}")), "{other}");
    }
}

proptest! {
    #[test]
    fn any_single_character_changed_refuses_the_token(position in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.=+/-]|\\PC") {
        let position = position.index(TOKEN.len());
        let mut changed = TOKEN.clone();
        changed.replace_range(position..=position, &other);
        prop_assume!(changed != *TOKEN);
        prop_assert!(!accepted(&changed));
    }

    #[test]
    fn any_single_character_added_or_taken_away_refuses_the_token(position in any::<prop::sample::Index>(), other in "\\PC") {
        let position = position.index(TOKEN.len());
        let mut longer = TOKEN.clone();
        longer.insert_str(position, &other);
        prop_assert!(!accepted(&longer));
        let mut shorter = TOKEN.clone();
        shorter.remove(position);
        prop_assert!(!accepted(&shorter));
    }

    #[test]
    fn no_text_is_accepted_by_chance_and_none_panics(text in "\\PC{0,200}|([A-Za-z0-9_-]{0,60}[.]){0,4}[A-Za-z0-9_-]{0,60}") {
        prop_assert!(!accepted(&text));
        prop_assert!(VERIFIER.verify_user(&text, now()).is_err());
        let _ = bearer(&text);
    }

    #[test]
    fn headers_and_claims_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = header::key_id(&bytes);
        let _ = Claims::parse(&bytes);
    }

    #[test]
    fn claims_of_any_json_never_panic(text in r#"\{("(iss|exp|iat|nbf|jti|aud|cognito:groups)":(null|-?[0-9]{1,25}(\.[0-9]+)?([eE]-?[0-9]{1,3})?|"[a-z\\]{0,5}"|\[("a",?|1,?){0,5}\]|\{\}),?){0,5}\}"#) {
        if let Ok(claims) = Claims::parse(text.as_bytes()) {
            // What the reader takes is also JSON to a reader that knows nothing of claims.
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{:?}", claims);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn signed_nonsense_is_refused(payload in "\\PC{0,80}") {
        let nonsense = sign(&KEY, &KEY.header(), &payload).unwrap();
        prop_assert!(!accepted(&nonsense));
    }
}
