//! From the `Authorization` header to the three segments of a compact JWS (RFC 6750, RFC 7515).
//!
//! A token has one spelling. Padding, characters of the other base64 alphabet and stray bits in the last character are all
//! refused, so two different texts never carry the same claims and signature.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::TokenError;
use super::header;
use super::jwks::KeySet;
use crate::ids::Digest;

/// The greatest length of a token, in bytes. Cognito's are near 1 KiB; header limits of proxies start at 8 KiB.
pub const MAX_TOKEN: usize = 8 * 1024;

/// The token of an `Authorization` header's value: `Bearer` in any case, exactly one space, and a token of RFC 6750's
/// characters.
///
/// # Errors
/// [`TokenError::Authorization`] for anything else, [`TokenError::TooLong`] above [`MAX_TOKEN`] bytes.
pub fn bearer(value: &str) -> Result<&str, TokenError> {
    let (scheme, token) = value.split_once(' ').ok_or(TokenError::Authorization)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Authorization);
    }
    sound(token)
}

/// As [`bearer`], or the token alone: an application puts what its connector was handed as `authorization` into the header
/// verbatim (CX-0018), and that is a token without a scheme.
///
/// # Errors
/// As for [`bearer`].
pub fn bearer_or_bare(value: &str) -> Result<&str, TokenError> {
    if value.contains(' ') {
        bearer(value)
    } else {
        sound(value)
    }
}

fn sound(token: &str) -> Result<&str, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let body = token.trim_end_matches('=');
    let sound = !body.is_empty()
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
    if sound {
        Ok(token)
    } else {
        Err(TokenError::Authorization)
    }
}

/// A payload whose signature verified, and the key that did it. The claims in it are not looked at yet.
#[derive(Debug)]
pub(super) struct Signed {
    /// The bytes that were signed as payload.
    pub(super) payload: Vec<u8>,
    /// The position of the key in its set.
    pub(super) key: usize,
}

/// Steps 1 to 3 of the [verification](super): form, header, signature.
pub(super) fn verify_signature(token: &str, keys: &KeySet) -> Result<Signed, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Segments)?;
    let (head, payload) = message.split_once('.').ok_or(TokenError::Segments)?;
    if payload.contains('.') {
        return Err(TokenError::Segments);
    }
    let head = decode(head)?;
    let payload = decode(payload)?;
    let key_id = header::key_id(&head)?;
    let (key, decoding) = keys.find(&key_id).ok_or(TokenError::UnknownKey)?;
    let digest = Digest::of(token.as_bytes());
    if keys.has_signed(digest) {
        return Ok(Signed { payload, key });
    }
    // The library decodes the signature by the same strict rule as `decode` and takes the algorithm from us alone.
    match jsonwebtoken::crypto::verify(signature, message.as_bytes(), decoding, jsonwebtoken::Algorithm::RS256) {
        Ok(true) => {
            keys.remember(digest);
            Ok(Signed { payload, key })
        }
        Ok(false) => Err(TokenError::Signature),
        Err(_) => Err(TokenError::Encoding),
    }
}

/// Base64url without padding, refusing every spelling but the canonical one.
fn decode(segment: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_header_has_one_form() {
        for good in ["Bearer abc", "bearer abc", "BEARER a-._~+/b=="] {
            assert!(bearer(good).is_ok(), "{good:?}");
        }
        assert_eq!(bearer("Bearer a.b.c"), Ok("a.b.c"));
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  abc",
            "Bearer\tabc",
            " Bearer abc",
            "Bearer abc ",
            "Bearer a b",
            "Basic abc",
            "Bearer =",
            "Bearer a=b",
            "Bearer a,b",
            "Bearer a\n",
            "Bearer ä",
            "Bearer abc, Bearer abc",
            "Bearerabc",
        ];
        for bad in wrong {
            assert_eq!(bearer(bad), Err(TokenError::Authorization), "{bad:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert_eq!(bearer(&long), Err(TokenError::TooLong));
    }

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(decode("TQ").unwrap(), b"M");
        for second in ["TQ==", "TR", "TQ\n", "T Q", "T", "T+8", "T/8"] {
            assert_eq!(decode(second), Err(TokenError::Encoding), "{second:?}");
        }
    }
}
