//! Condition keys of a request and the values they have there.

use std::borrow::Cow;
use std::cell::RefCell;

use super::request::Request;
use super::template::Params;

/// Condition keys and their values, one or many. Names are compared without regard to ASCII case, tag keys included
/// (IAM User Guide, "Condition": key names are not case-sensitive); values are kept as they are.
#[derive(Clone, Debug, Default)]
pub struct Context<'c>(Vec<(Cow<'c, str>, Entry<'c>)>);

/// The name the canonical user id stands under. It has no colon, so that it cannot be that of a condition key.
const CANONICAL_USER: &str = "canonical user";

#[derive(Clone, Debug)]
enum Entry<'c> {
    One(Cow<'c, str>),
    Many(Vec<Cow<'c, str>>),
}

impl<'c> Context<'c> {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key to one value, replacing what it had.
    #[must_use]
    pub fn with(self, key: impl Into<Cow<'c, str>>, value: impl Into<Cow<'c, str>>) -> Self {
        self.put(key.into(), Entry::One(value.into()))
    }

    /// Sets a multivalued key, replacing what it had. A key with no values counts as absent, as in AWS.
    #[must_use]
    pub fn with_many<V: Into<Cow<'c, str>>>(
        self,
        key: impl Into<Cow<'c, str>>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.put(key.into(), Entry::Many(values.into_iter().map(Into::into).collect()))
    }

    fn put(mut self, key: Cow<'c, str>, entry: Entry<'c>) -> Self {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(&key));
        self.0.push((key, entry));
        self
    }

    /// Says which canonical user id the principal's account has, 64 hexadecimal digits; for a `CanonicalUser` in a policy of
    /// an S3 bucket. Without it such a `Principal` is taken to mean the principal in a `Deny` and not to in an `Allow`.
    ///
    /// It is no condition key, and no policy can ask for it as one.
    #[must_use]
    pub fn with_canonical_user(self, id: impl Into<Cow<'c, str>>) -> Self {
        self.put(CANONICAL_USER.into(), Entry::One(id.into()))
    }

    pub(super) fn canonical_user(&self) -> Option<&str> {
        match self.get(CANONICAL_USER)? {
            Found::One(id) => Some(id),
            Found::Many(_) => None,
        }
    }

    fn get(&self, key: &str) -> Option<Found<'_>> {
        self.iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(key))
            .map(|(_, found)| found)
    }

    /// The keys with their values, in the order they were set.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Found<'_>)> {
        self.0.iter().map(|(key, entry)| match entry {
            Entry::One(value) => (key.as_ref(), Found::One(value)),
            Entry::Many(values) => (key.as_ref(), Found::Many(values)),
        })
    }
}

/// The values of a key that is present. A set may be empty.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'e> {
    One(&'e str),
    Many(&'e [Cow<'e, str>]),
}

impl Found<'_> {
    pub(super) fn is_empty(self) -> bool {
        matches!(self, Self::Many([]))
    }

    pub(super) fn any(self, test: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(value) => test(value),
            Self::Many(values) => values.iter().any(|value| test(value)),
        }
    }

    pub(super) fn all(self, test: impl Fn(&str) -> bool) -> bool {
        !self.any(|value| !test(value))
    }
}

/// All that a statement may look at: the request, the template's values, and a note of the keys it looked for in vain.
pub(super) struct Scope<'e, 'd> {
    pub(super) request: &'e Request<'e>,
    params: &'e Params<'e>,
    /// The action in lower case.
    pub(super) action: Cow<'e, str>,
    /// Whether the principal has a permissions boundary.
    pub(super) bounded: bool,
    missing: RefCell<Vec<&'d str>>,
}

impl<'e, 'd> Scope<'e, 'd> {
    pub(super) fn new(request: &'e Request<'e>, params: &'e Params<'e>) -> Self {
        Self {
            request,
            params,
            action: lower(request.action),
            bounded: false,
            missing: RefCell::default(),
        }
    }

    /// The same, for a principal that has a permissions boundary.
    pub(super) fn bounded(self, bounded: bool) -> Self {
        Self { bounded, ..self }
    }

    /// The values of a condition key; an absent or empty one is noted as missing.
    pub(super) fn key(&self, key: &'d str) -> Option<Found<'e>> {
        let request = self.request;
        let found = request
            .context
            .get(key)
            .or_else(|| request.derived(key).map(Found::One));
        let found = found.filter(|found| !found.is_empty());
        if found.is_none() {
            let mut missing = self.missing.borrow_mut();
            if !missing.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                missing.push(key);
            }
        }
        found
    }

    /// The value of a policy variable. A multivalued key has none, however many values it has in this request, and an empty text is
    /// none (IAM User Guide, "Policy variables": "a condition context key that has no value or is not present").
    pub(super) fn variable(&self, key: &'d str) -> Option<&'e str> {
        match self.key(key)? {
            Found::One(value) => Some(value).filter(|value| !value.is_empty()),
            Found::Many(_) => None,
        }
    }

    pub(super) fn parameter(&self, name: &str, session: bool) -> Option<&'e str> {
        self.params.get_in(session, name)
    }

    /// The keys looked for in vain, sorted.
    pub(super) fn into_missing(self) -> Vec<&'d str> {
        let mut missing = self.missing.into_inner();
        missing.sort_unstable();
        missing
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}
