//! What of a question only its tenant may read, and only for as long as the tenant keeps it.
//!
//! A leaf of a log is for ever: it cannot be taken out without the proofs of all others failing. So nothing that a person, or a
//! company that must forget, could ask to have erased may stand in one. Such parts stand beside it, sealed under a key of the log
//! and the month ([`super::period`]), and the leaf names each by a *commitment*; what callers write by themselves (ids of requests, the
//! reason of a retirement) is theirs to keep free of it:
//!
//! ```text
//! asked   {"context":{…,"now":…},"people":{"User::\"BPNL000000000DWF/~9a6f…\"":"User::\"BPNL000000000DWF/anna\""}}
//!
//! salt        = HMAC(salt key of the month, SHA-256(asked))    known to who holds the key, or was given this one salt
//! commitment  = SHA-256(salt || SHA-256(asked))                in the leaf
//! at rest     = nonce || AES-256-GCM(seal key of the month, asked)
//! ```
//!
//! A plain hash would not do: who guesses `anna` and the hour could try all milliseconds of it. With the month's key gone, the
//! commitment says nothing about what it was made of, and the leaf still hashes to what it always did. Where a person asked, or was
//! asked about, the leaf names a pseudonym that is the same throughout the month, so that an auditor without the key can still tell
//! how much one person did. Operators act for the platform and are named.
//!
//! Entity slices are committed to in the same way, each apart: hardly any question has one of its own, and equal ones of a month
//! are kept once. A lone record's part is sealed by itself; once 256 records make a tile, theirs are compressed and sealed together,
//! for contexts are much alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::pack::{pack, unpack};
use super::period::{DoesNotOpen, Period, PeriodKey};
use super::record::{AgreementEvent, Decided, LogId, Private};
use crate::decision::Decision;
use crate::ids::Digest;

/// What [`Private::asked`] commits to, as canonical JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The question's context, as it was asked.
    pub context: Box<RawValue>,
    /// The people the record names by pseudonym: entity ids as they stand there, and as they are.
    pub people: BTreeMap<String, String>,
}

/// What is private in a question, as it was asked.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The context as canonical JSON.
    pub context: Arc<[u8]>,
    /// The entity slice as canonical JSON, and its digest.
    pub entities: (Digest, Arc<[u8]>),
}

/// A decision's record with what is kept beside it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) decided: Decided,
    /// What the record's `asked` commits to, sealed.
    pub(super) asked: Vec<u8>,
}

impl Decided<Plain> {
    /// What is recorded of the decision under a period's key; nothing where the cryptographic library fails.
    pub(super) fn seal(&self, key: &PeriodKey) -> Option<Kept> {
        let Plain { context, entities } = &self.private;
        let mask = Mask::new(key, [&self.principal, &self.resource]);
        let asked = mask.asked(context)?;
        let commitment = key.commit(&Digest::of(&asked));
        let asked = key.seal(ALONE, &asked)?;
        let private = Private {
            asked: commitment,
            entities: key.commit(&entities.0),
            period: key.period(),
        };
        let decided = Decided {
            action: self.action.clone(),
            bundle: self.bundle,
            decision: mask.decision(self.decision.clone()),
            engine: self.engine.clone(),
            mode: self.mode,
            principal: mask.reference(&self.principal),
            private,
            request: self.request.clone(),
            resource: mask.reference(&self.resource),
            tenant: self.tenant,
            terms: self.terms.clone(),
        };
        Some(Kept { decided, asked })
    }
}

impl AgreementEvent {
    /// The event without a person's name: the decision it names has it.
    pub(super) fn masked(mut self, key: &PeriodKey) -> Self {
        self.by = Mask::new(key, [&self.by]).reference(&self.by);
        self
    }
}

/// Whether that is the entity id of a person.
pub(super) fn is_person(reference: &str) -> bool {
    reference.starts_with(PERSON) && reference.ends_with('"')
}

/// Where a record's private part is sealed by itself.
const ALONE: &[u8] = b"asked";

/// How a person's entity id begins.
const PERSON: &str = "User::\"";

/// Puts pseudonyms in place of people's names, or the names in place of the pseudonyms.
#[derive(Debug, Default)]
pub struct Mask(Vec<(String, String)>);

impl Mask {
    /// For those of the entity ids that are people's.
    pub fn new<'t>(key: &PeriodKey, references: impl IntoIterator<Item = &'t String>) -> Self {
        let people = references.into_iter().filter(|reference| is_person(reference));
        Self(people.map(|person| (person.clone(), pseudonym(key, person))).collect())
    }

    /// Back from what [`Asked`] says.
    pub fn of(people: &BTreeMap<String, String>) -> Self {
        Self(
            people
                .iter()
                .map(|(mask, person)| (person.clone(), mask.clone()))
                .collect(),
        )
    }

    /// [`Asked`] as canonical JSON: the context is canonical already, and `context` sorts before `people`.
    fn asked(&self, context: &[u8]) -> Option<Vec<u8>> {
        let people: BTreeMap<_, _> = self.0.iter().map(|(person, mask)| (mask, person)).collect();
        let people = serde_json::to_vec(&people).ok()?;
        Some([b"{\"context\":", context, b",\"people\":", &people, b"}"].concat())
    }

    /// An entity id without the name.
    pub fn reference(&self, reference: &str) -> String {
        let known = self.0.iter().find(|(person, _)| person == reference);
        known.map_or(reference, |(_, mask)| mask).to_owned()
    }

    /// The entity id that a masked one stands for.
    pub fn unmasked<'t>(&'t self, reference: &'t str) -> &'t str {
        let known = self.0.iter().find(|(_, mask)| mask == reference);
        known.map_or(reference, |(person, _)| person)
    }

    /// A text without the names.
    pub fn text(&self, text: String) -> String {
        self.0
            .iter()
            .fold(text, |text, (person, mask)| text.replace(person, mask))
    }

    /// A decision without the names: Cedar's messages name the entities they are about.
    pub fn decision(&self, mut decision: Decision) -> Decision {
        if !self.0.is_empty() && !decision.cedar.errors.is_empty() {
            let errors = std::mem::take(&mut decision.cedar.errors);
            decision.cedar.errors = errors.into_iter().map(|error| self.text(error)).collect();
            // As in any decision.
            decision.cedar.errors.sort();
        }
        decision
    }
}

fn pseudonym(key: &PeriodKey, person: &str) -> String {
    let id = person.trim_start_matches(PERSON);
    let tenant = id.split_once('/').map_or("", |(tenant, _)| tenant);
    format!("{PERSON}{tenant}/{}\"", key.pseudonym(person))
}

/// What a record's commitment is to, out of what was sealed with it.
///
/// # Errors
///
/// [`DoesNotOpen`], also where what opens is not what the commitment is to.
pub(super) fn open(key: &PeriodKey, commitment: &Digest, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
    held(key, commitment, alone(key, sealed)?)
}

/// What was sealed by itself, not held to any commitment.
pub(super) fn alone(key: &PeriodKey, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
    key.open(ALONE, sealed)
}

/// A content where it is what the commitment is to.
///
/// # Errors
///
/// [`DoesNotOpen`] where it is not.
pub(super) fn held<C: AsRef<[u8]>>(key: &PeriodKey, commitment: &Digest, content: C) -> Result<C, DoesNotOpen> {
    match key.commit(&Digest::of(content.as_ref())) == *commitment {
        true => Ok(content),
        false => Err(DoesNotOpen),
    }
}

/// A slice as it is kept: compressed and sealed.
pub(super) fn seal_slice(key: &PeriodKey, commitment: &Digest, content: &[u8]) -> Option<Vec<u8>> {
    key.seal(commitment.as_bytes(), &pack(content).ok()?)
}

/// A slice out of how it is kept.
///
/// # Errors
///
/// As [`open`].
pub(super) fn open_slice(key: &PeriodKey, commitment: &Digest, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
    let packed = key.open(commitment.as_bytes(), sealed)?;
    let content = unpack(&packed, super::MAX_BODY_BYTES).map_err(|_| DoesNotOpen)?;
    held(key, commitment, content)
}

/// The greatest size of a tile's private parts, before they were compressed: as many as a tile has, each as great as a context.
const MAX_GROUP: usize = 256 * 1024 * 1024;

/// The private parts of a tile's records and of one period, compressed and sealed together; each with its record's number.
pub(super) fn seal_group(key: &PeriodKey, log: LogId, number: u64, parts: &[(u8, Vec<u8>)]) -> Option<Vec<u8>> {
    seal_parts(key, &group_place(log, number, key.period()), parts)
}

/// Private parts of one period, compressed and sealed together for a place; each with its number in it.
pub(super) fn seal_parts(key: &PeriodKey, place: &[u8], parts: &[(u8, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    for (within, content) in parts {
        plain.push(*within);
        plain.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
        plain.extend_from_slice(content);
    }
    if plain.len() > MAX_GROUP {
        return None;
    }
    let packed = pack(&plain).ok()?;
    let size = u32::try_from(plain.len()).ok()?.to_be_bytes();
    key.seal(place, &[size.as_slice(), &packed].concat())
}

/// The private parts out of how they are kept together.
///
/// # Errors
///
/// As [`open`]; the parts are not held to any commitment here.
pub(super) fn open_group(
    key: &PeriodKey,
    log: LogId,
    number: u64,
    sealed: &[u8],
) -> Result<Vec<(u8, Bytes)>, DoesNotOpen> {
    open_parts(key, &group_place(log, number, key.period()), sealed)
}

/// The private parts that were sealed together for a place.
///
/// # Errors
///
/// As [`open_group`].
pub(super) fn open_parts(key: &PeriodKey, place: &[u8], sealed: &[u8]) -> Result<Vec<(u8, Bytes)>, DoesNotOpen> {
    let opened = key.open(place, sealed)?;
    let (size, packed) = opened.split_first_chunk().ok_or(DoesNotOpen)?;
    let size = usize::try_from(u32::from_be_bytes(*size))
        .unwrap_or(usize::MAX)
        .min(MAX_GROUP);
    let plain = Bytes::from(unpack(packed, size).map_err(|_| DoesNotOpen)?);
    let (mut rest, mut parts) = (plain.as_ref(), Vec::new());
    while let Some((within, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk().ok_or(DoesNotOpen)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| DoesNotOpen)?;
        let (content, after) = after.split_at_checked(length).ok_or(DoesNotOpen)?;
        parts.push((*within, plain.slice_ref(content)));
        rest = after;
    }
    Ok(parts)
}

fn group_place(log: LogId, number: u64, period: Period) -> Vec<u8> {
    format!("{log} {number} {period}").into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(secret: u8) -> PeriodKey {
        PeriodKey::new("2026-11".parse().unwrap(), &[secret; 32]).unwrap()
    }

    const ANNA: &str = "User::\"BPNL00000000000A/anna\"";

    #[test]
    fn a_person_is_named_in_the_private_part_alone() {
        let mask = Mask::new(&key(7), [&ANNA.to_owned(), &"Partner::\"BPNL00000000000B\"".to_owned()]);
        let masked = mask.reference(ANNA);
        assert!(
            masked.starts_with("User::\"BPNL00000000000A/~") && !masked.contains("anna"),
            "{masked}"
        );
        assert_eq!(mask.unmasked(&masked), ANNA);
        // Whose name begins with it is someone else.
        let other = "User::\"BPNL00000000000A/annabel\"";
        assert_eq!(mask.reference(other), other);
        let asked = mask.asked(b"{\"now\":1}").unwrap();
        let read: Asked = serde_json::from_slice(&asked).unwrap();
        assert_eq!(read.people[&masked], ANNA);
        assert_eq!(Mask::of(&read.people).unmasked(&masked), ANNA);
        let value: serde_json::Value = serde_json::from_slice(&asked).unwrap();
        assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), asked);
    }

    proptest! {
        /// What was sealed together comes apart again, in its own place and with its own key only.
        #[test]
        fn a_group_reads_back(parts in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..90)), 0..20), number in any::<u64>()) {
            let log: LogId = "BPNL00000000000A".parse().unwrap();
            let sealed = seal_group(&key(7), log, number, &parts).unwrap();
            let opened = open_group(&key(7), log, number, &sealed).unwrap();
            prop_assert_eq!(opened.into_iter().map(|(within, part)| (within, part.to_vec())).collect::<Vec<_>>(), parts);
            prop_assert_eq!(open_group(&key(8), log, number, &sealed), Err(DoesNotOpen));
            prop_assert_eq!(open_group(&key(7), LogId::Platform, number, &sealed), Err(DoesNotOpen));
            prop_assert_eq!(open_group(&key(7), log, number.wrapping_add(1), &sealed), Err(DoesNotOpen));
        }

        /// What is kept opens to what it was committed to.
        #[test]
        fn a_part_opens_under_its_commitment_only(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let key = key(7);
            let commitment = key.commit(&Digest::of(&content));
            let slice = seal_slice(&key, &commitment, &content).unwrap();
            prop_assert_eq!(open_slice(&key, &commitment, &slice), Ok(content.clone()));
            let lone = key.seal(ALONE, &content).unwrap();
            prop_assert_eq!(open(&key, &commitment, &lone), Ok(content));
            // Whoever holds the key cannot pass something else off for it.
            let forged = key.seal(ALONE, b"something else").unwrap();
            prop_assert_eq!(open(&key, &commitment, &forged), Err(DoesNotOpen));
        }
    }
}
