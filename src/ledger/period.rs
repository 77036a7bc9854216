//! The keys under which what is private in a record is kept: one per log and calendar month.
//!
//! Each is 32 random bytes, made when the month's first private part is recorded and stored wrapped under a key of the ledger's
//! own secret. Nothing else gives it again: where its row is deleted, what was sealed with it is gone for good.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::record::LogId;
use crate::ids::Digest;

/// Separates the keys of a period from any other use of the same bytes.
const SALT: &[u8] = b"tidegate ledger period key v1";

/// How long a nonce of AES-GCM is, in bytes.
const NONCE: usize = 12;

/// A calendar month in UTC, as `2026-11`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: i16,
    month: i8,
}

/// Not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month; expected one like `2026-11`")]
pub struct NoPeriod(String);

impl Period {
    /// The month after.
    pub fn next(self) -> Self {
        let Self { year, month } = self;
        match month {
            12 => Self {
                year: year + 1,
                month: 1,
            },
            _ => Self { year, month: month + 1 },
        }
    }

    /// The month before.
    pub fn previous(self) -> Self {
        let Self { year, month } = self;
        match month {
            1 => Self {
                year: year - 1,
                month: 12,
            },
            _ => Self { year, month: month - 1 },
        }
    }

    /// The month of that instant.
    pub fn of(at: Timestamp) -> Self {
        let date = at.to_zoned(TimeZone::UTC).date();
        let (year, month) = (date.year(), date.month());
        Self { year, month }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Period {
    type Err = NoPeriod;

    fn from_str(text: &str) -> Result<Self, NoPeriod> {
        // Each record names its own: this is read a million times.
        let read = || {
            let (year, month) = text.split_once('-')?;
            let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
            let one = digits(year, 4) && digits(month, 2);
            let (year, month) = (year.parse().ok()?, month.parse().ok()?);
            (one && (1..=12).contains(&month)).then_some(Self { year, month })
        };
        read().ok_or_else(|| NoPeriod(text.escape_debug().take(20).collect()))
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why something does not open: another key, another commitment, or a byte that was changed. Which, cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not open with the key of its period")]
pub struct DoesNotOpen;

/// The keys of one log and period, all made from the same 32 bytes.
pub struct PeriodKey {
    period: Period,
    sealing: RandomizedNonceKey,
    salting: hmac::Key,
    naming: hmac::Key,
}

impl PeriodKey {
    /// The keys made from 32 secret bytes; nothing where the cryptographic library fails.
    pub(super) fn new(period: Period, secret: &[u8; 32]) -> Option<Self> {
        let derived = Salt::new(HKDF_SHA256, SALT).extract(secret);
        let derive = |what: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            let info = [what];
            let material = derived.expand(&info, HKDF_SHA256).ok()?;
            material.fill(key.as_mut_slice()).ok()?;
            Some(key)
        };
        let hmac = |what| Some(hmac::Key::new(hmac::HMAC_SHA256, derive(what)?.as_slice()));
        let sealing = RandomizedNonceKey::new(&AES_256_GCM, derive(b"seal")?.as_slice()).ok()?;
        Some(Self {
            period,
            sealing,
            salting: hmac(b"salt")?,
            naming: hmac(b"name")?,
        })
    }

    /// The period.
    pub fn period(&self) -> Period {
        self.period
    }

    /// What the content of that digest is committed to with: only who has the content and its salt can tell that the commitment
    /// is to it, and the same content has the same commitment throughout the period.
    pub fn commit(&self, content: &Digest) -> Digest {
        commitment(&self.salt(content), content)
    }

    /// The salt of a content: given out with it, it proves the commitment and opens no other.
    pub fn salt(&self, content: &Digest) -> [u8; 32] {
        let mut salt = [0; 32];
        salt.copy_from_slice(hmac::sign(&self.salting, content.as_bytes()).as_ref());
        salt
    }

    /// What stands in a record in place of a name: the same throughout the period, and another in the next.
    pub fn pseudonym(&self, name: &str) -> String {
        let tag = hmac::sign(&self.naming, name.as_bytes());
        let (short, _) = tag.as_ref().split_at_checked(8).unwrap_or_default();
        format!("~{}", hex::encode(short))
    }

    /// The content as it is kept, bound to its place.
    pub(super) fn seal(&self, place: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        seal(&self.sealing, place, content)
    }

    /// What was sealed for that place.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        open(&self.sealing, place, sealed)
    }
}

fn seal(key: &RandomizedNonceKey, place: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = content.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(place), &mut bytes).ok()?;
    Some([nonce.as_ref().as_slice(), &bytes].concat())
}

fn open(key: &RandomizedNonceKey, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE>().ok_or(DoesNotOpen)?;
    let mut bytes = bytes.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key
        .open_in_place(nonce, Aad::from(place), &mut bytes)
        .map_err(|_| DoesNotOpen)?;
    let length = opened.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// The key under which the keys of periods are stored: made from the ledger's own secret.
#[derive(Clone)]
pub struct Wrapping(Arc<RandomizedNonceKey>);

impl Wrapping {
    /// The key made from 32 secret bytes; nothing where the cryptographic library fails.
    pub(super) fn new(secret: &[u8; 32]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, secret)
            .ok()
            .map(Arc::new)
            .map(Self)
    }

    /// A new key of that log and period, and how it is stored.
    pub(super) fn make(&self, log: LogId, period: Period) -> Option<(PeriodKey, Vec<u8>)> {
        let mut secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(secret.as_mut_slice()).ok()?;
        let wrapped = seal(&self.0, &place(log, period), secret.as_slice())?;
        Some((PeriodKey::new(period, &secret)?, wrapped))
    }

    /// A stored key as it is stored under another.
    pub(super) fn rewrap(
        &self,
        other: &Self,
        log: LogId,
        period: Period,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, DoesNotOpen> {
        let place = place(log, period);
        let secret = Zeroizing::new(open(&self.0, &place, wrapped)?);
        seal(&other.0, &place, &secret).ok_or(DoesNotOpen)
    }

    /// The key of that log and period, from how it is stored.
    pub(super) fn unwrap(&self, log: LogId, period: Period, wrapped: &[u8]) -> Result<PeriodKey, DoesNotOpen> {
        let secret = Zeroizing::new(open(&self.0, &place(log, period), wrapped)?);
        let secret = secret.as_slice().try_into().map_err(|_| DoesNotOpen)?;
        PeriodKey::new(period, secret).ok_or(DoesNotOpen)
    }
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Wrapping")
    }
}

fn place(log: LogId, period: Period) -> Vec<u8> {
    format!("{log} {period}").into_bytes()
}

impl fmt::Debug for PeriodKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeriodKey({})", self.period)
    }
}

/// `SHA-256(salt || SHA-256(content))`.
pub fn commitment(salt: &[u8; 32], content: &Digest) -> Digest {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(salt);
    context.update(content.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest::from_bytes(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(secret: u8) -> PeriodKey {
        PeriodKey::new("2026-11".parse().unwrap(), &[secret; 32]).unwrap()
    }

    #[test]
    fn a_period_is_a_month_and_has_one_spelling() {
        let of = |text: &str| Period::of(text.parse().unwrap()).to_string();
        assert_eq!(of("2026-11-30T23:59:59.999Z"), "2026-11");
        assert_eq!(of("2026-12-01T00:00:00Z"), "2026-12");
        assert_eq!("2026-11".parse::<Period>().unwrap().to_string(), "2026-11");
        for text in [
            "",
            "2026",
            "2026-1",
            "2026-13",
            "2026-00",
            "26-11",
            "2026-011",
            "+2026-11",
            "2026-11-01",
            "-001-11",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        let [december, january]: [Period; 2] = ["2025-12", "2026-01"].map(|period| period.parse().unwrap());
        assert!(december < january && december.next() == january && january.next().to_string() == "2026-02");
        assert!(december == january.previous() && december.previous().to_string() == "2025-11");
    }

    proptest! {
        /// What was sealed opens with its own key and in its own place, and changed in any byte it does not.
        #[test]
        fn only_what_was_sealed_opens(content in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mine = key(7);
            let sealed = mine.seal(b"here", &content).unwrap();
            prop_assert_eq!(mine.open(b"here", &sealed), Ok(content.clone()));
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1_u8 << bit;
            prop_assert_eq!(mine.open(b"here", &changed), Err(DoesNotOpen));
            prop_assert_eq!(mine.open(b"there", &sealed), Err(DoesNotOpen));
            prop_assert_eq!(key(8).open(b"here", &sealed), Err(DoesNotOpen));
        }
    }

    #[test]
    fn a_commitment_tells_nothing_without_the_salt_and_proves_with_it() {
        let (mine, other) = (key(7), key(8));
        let [yes, no] = [Digest::of(b"yes"), Digest::of(b"no")];
        assert_eq!(mine.commit(&yes), mine.commit(&yes));
        assert_ne!(mine.commit(&yes), other.commit(&yes));
        assert_ne!(mine.commit(&yes), yes);
        assert_eq!(commitment(&mine.salt(&yes), &yes), mine.commit(&yes));
        assert_ne!(mine.salt(&yes), mine.salt(&no));
    }

    #[test]
    fn a_stored_key_is_the_key_of_its_log_and_period_only() {
        let wrapping = Wrapping::new(&[3; 32]).unwrap();
        let [a, b]: [LogId; 2] = ["BPNL00000000000A", "BPNL00000000000B"].map(|log| log.parse().unwrap());
        let [now, next]: [Period; 2] = ["2026-11", "2026-12"].map(|period| period.parse().unwrap());
        let (made, wrapped) = wrapping.make(a, now).unwrap();
        let again = wrapping.unwrap(a, now, &wrapped).unwrap();
        assert_eq!(made.pseudonym("anna"), again.pseudonym("anna"));
        assert!(wrapping.unwrap(b, now, &wrapped).is_err());
        assert!(wrapping.unwrap(a, next, &wrapped).is_err());
        assert!(Wrapping::new(&[4; 32]).unwrap().unwrap(a, now, &wrapped).is_err());
        assert_ne!(wrapping.make(a, now).unwrap().1, wrapped, "each is random");
    }

    #[test]
    fn a_pseudonym_is_the_same_within_its_period_only() {
        assert_eq!(key(7).pseudonym("anna"), key(7).pseudonym("anna"));
        assert_ne!(key(7).pseudonym("anna"), key(8).pseudonym("anna"));
        assert_ne!(key(7).pseudonym("anna"), key(7).pseudonym("vera"));
        assert_eq!(key(7).pseudonym("anna").len(), 17);
    }
}
