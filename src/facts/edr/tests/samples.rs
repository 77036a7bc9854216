//! The samples of the biscuit specification: at which step each of them is refused here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use biscuit_auth::{Algorithm, PublicKey};

use super::*;

/// The root key that signed the samples.
const ROOT: &str = "1055c750b1a1505937af1537c626ba3263995c33a64758aaafb1275b0312e284";

/// The samples whose signatures are wrong on purpose.
const BROKEN: [u32; 5] = [2, 3, 4, 5, 6];

/// Those that a third party's block, or a key that is not Ed25519, keeps out before any signature is looked at.
const FOREIGN: [u32; 4] = [24, 26, 36, 37];

#[test]
fn every_sample_is_refused_where_it_should_be() {
    let root = PublicKey::from_bytes_hex(ROOT, Algorithm::Ed25519).unwrap();
    let tenant: TenantId = ELBE.parse().unwrap();
    // The samples name no generation. The envelope around the blocks is not signed, so one can be put in.
    let own = EdrVerifier::new(tenant, &endpoint(tenant), [(1, root)].into());
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tokens/biscuit");
    let mut seen = 0;
    for number in 1..=38 {
        let found = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let name = format!("test{number:03}_");
        let path = found
            .into_iter()
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name));
        let mut bytes = std::fs::read(path.unwrap()).unwrap();
        assert_eq!(
            own.verify(&URL_SAFE_NO_PAD.encode(&bytes), now()).unwrap_err(),
            if FOREIGN.contains(&number) {
                EdrError::Foreign
            } else {
                EdrError::Generation
            },
            "{name}"
        );
        // rootKeyId = 1
        bytes.extend([0x08, 0x01]);
        let error = own.verify(&URL_SAFE_NO_PAD.encode(&bytes), now()).unwrap_err();
        let allowed: &[EdrError] = match number {
            _ if FOREIGN.contains(&number) => &[EdrError::Foreign],
            _ if BROKEN.contains(&number) => &[EdrError::Signature, EdrError::Form],
            // Sound tokens, but not of Tidegate's making.
            _ => &[EdrError::Authority],
        };
        assert!(allowed.contains(&error), "{name}: {error:?}");
        seen += 1;
    }
    assert_eq!(seen, 38);
}
