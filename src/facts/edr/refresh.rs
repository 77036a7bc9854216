//! Refresh tokens: made from the secret, the flow and a number, and kept nowhere.
//!
//! `{43 characters of base64url}.{number}.{flow}`: what authenticates, which of the flow's it is, and the flow, so that none has to be
//! searched for. Which numbers are good is the [flow's](crate::dataspace::flow) to say. That the same number always makes the same token is what lets
//! a repeated renewal be answered with the same next one, so that an answer that was lost, or two who ask at once, lock nobody out.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{EdrError, EdrKeys};
use crate::ids::{FlowId, TenantId};

/// A refresh token that a key of Tidegate's made for a flow of that tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The flow.
    pub flow: FlowId,
    /// Which of its refresh tokens.
    pub number: u64,
}

impl EdrKeys {
    /// The refresh token of a flow with that number.
    ///
    /// # Errors
    /// [`EdrError::Mint`] where the library fails.
    pub fn refresh_token(&self, tenant: TenantId, flow: &FlowId, number: u64) -> Result<SecretString, EdrError> {
        let secret = self.refresh_secret(tenant, flow, number, self.generation)?;
        Ok(format!("{}.{number}.{flow}", URL_SAFE_NO_PAD.encode(secret.as_slice())).into())
    }

    /// What the text is the refresh token of, where it is one that a key of this generation or the one before made.
    pub fn read_refresh_token(&self, tenant: TenantId, text: &str) -> Option<Refresh> {
        let (secret, rest) = text.split_once('.')?;
        let (number, flow) = rest.split_once('.')?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        let read = Refresh {
            flow: flow.parse().ok()?,
            // In its one spelling.
            number: number.parse().ok().filter(|read: &u64| read.to_string() == number)?,
        };
        let made = |generation| {
            let expected = self.refresh_secret(tenant, &read.flow, read.number, generation).ok()?;
            verify_slices_are_equal(expected.as_slice(), &secret).ok()
        };
        self.generations().find_map(made).map(|()| read)
    }

    fn refresh_secret(
        &self,
        tenant: TenantId,
        flow: &FlowId,
        number: u64,
        generation: u32,
    ) -> Result<Zeroizing<[u8; 32]>, EdrError> {
        self.derive(&format!("refresh/{tenant}/{generation}/{number}/{flow}"))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const ELBE: &str = "BPNL000000000DWF";

    #[test]
    fn a_refresh_token_is_of_one_tenant_flow_and_number() {
        let keys = EdrKeys::from_seed(&[7; 32], 1);
        let (tenant, flow): (TenantId, FlowId) = (ELBE.parse().unwrap(), "a.flow:1".parse().unwrap());
        let token = keys.refresh_token(tenant, &flow, 5).unwrap();
        let token = token.expose_secret();
        let expected = Refresh { flow, number: 5 };
        assert_eq!(keys.read_refresh_token(tenant, token), Some(expected.clone()));
        assert_eq!(
            EdrKeys::from_seed(&[7; 32], 2).read_refresh_token(tenant, token),
            Some(expected)
        );
        assert_eq!(EdrKeys::from_seed(&[7; 32], 3).read_refresh_token(tenant, token), None);
        assert_eq!(EdrKeys::from_seed(&[8; 32], 1).read_refresh_token(tenant, token), None);
        assert_eq!(
            keys.read_refresh_token("BPNL00000000B2CD".parse().unwrap(), token),
            None
        );
        for changed in [
            token.replace(".5.", ".6."),
            token.replace(".5.", ".05."),
            token.replace("a.flow", "b.flow"),
            token.chars().skip(1).collect(),
            format!("A{token}"),
            token.replace(".5.", "."),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(keys.read_refresh_token(tenant, &changed), None, "{changed}");
        }
    }
}
